# Two commands on a fresh machine: make demo, make test. They assume Python >= 3.11, make and g++.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/ready

.PHONY: demo test test-slow lint lock results firmware embedding sample examples clean

demo: $(READY)
	$(BIN)/keras-ae run configs/l1_trigger.yaml
	$(BIN)/keras-ae rtl runs/l1_trigger
	$(BIN)/keras-ae synthesize runs/l1_trigger

test: $(READY)
	$(BIN)/pytest -n auto --dist worksteal -m "not slow"

test-slow: $(READY)
	$(BIN)/pytest -n auto --dist worksteal -m slow

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Every config whose events come with the package once, with a million events of each that has
# firmware, and the tables of results that README quotes. Takes hours.
CONFIGS := $(filter-out adc2021,$(basename $(notdir $(wildcard configs/*.yaml))))
results: $(READY) examples
	for name in $(CONFIGS); do \
	    $(BIN)/keras-ae run configs/$$name.yaml --n-events 1000000 || exit; done
	$(BIN)/python benchmarks/l1_results.py $(patsubst %,runs/%,$(filter l1_%,$(CONFIGS))) \
	    > benchmarks/l1_results.md
	$(BIN)/python benchmarks/digits_results.py > benchmarks/digits_results.md
	$(BIN)/python benchmarks/fidelity_results.py $(CONFIGS:%=runs/%) > benchmarks/fidelity_results.md
	for name in l1_vae jets_conv_ae; do cp runs/$$name/fidelity.html benchmarks/fidelity_$$name.html; done
	$(BIN)/python benchmarks/teachers.py > benchmarks/teachers.md
	$(BIN)/python benchmarks/exposure.py > benchmarks/exposure.md
	$(BIN)/python benchmarks/focus.py > benchmarks/focus.md

# RTL of some triggers, simulated and synthesized, the table beside published ones, and the figure of
# physics against LUT. Placement of l1_axol1tl_like takes longer than half an hour, synthesis of l1_vae
# too.
N_SEEDS  := 5
SEEDED   := l1_trigger l1_trigger_small l1_trigger_large
PLACED   := $(SEEDED) l1_encoder_4bit l1_encoder_6bit l1_encoder_8bit
TRIGGERS := $(PLACED) l1_axol1tl_like l1_vae
firmware: $(READY)
	for name in $(TRIGGERS); do \
	    $(BIN)/keras-ae run configs/$$name.yaml && $(BIN)/keras-ae rtl runs/$$name || exit; done
	for name in $(PLACED); do $(BIN)/keras-ae synthesize runs/$$name || exit; done
	$(BIN)/keras-ae synthesize runs/l1_axol1tl_like --no-place
	for name in $(SEEDED); do $(BIN)/keras-ae run configs/$$name.yaml --n-seeds $(N_SEEDS) || exit; \
	    for run in runs/$${name}_seed_*; do $(BIN)/keras-ae rtl $$run \
	        && $(BIN)/keras-ae synthesize $$run --no-place || exit; done; done
	$(BIN)/python benchmarks/firmware.py $(TRIGGERS:%=runs/%) > benchmarks/firmware.md
	$(BIN)/python benchmarks/seed_spread.py $(patsubst %,configs/%.yaml,$(filter-out $(SEEDED),$(PLACED))) \
	    > benchmarks/seed_spread.md
	$(BIN)/python benchmarks/physics_per_lut.py $(SEEDED:%=runs/%) $(SEEDED:%=runs/%_seed_*) \
	    $(patsubst %,runs/%,$(filter-out $(SEEDED),$(TRIGGERS))) \
	    > benchmarks/physics_per_lut.md

# An embedding in front of the autoencoder, with five seeds, and what else can be made of it.
embedding: $(READY)
	$(BIN)/keras-ae run configs/l1_embedding.yaml --n-seeds $(N_SEEDS)
	for run in runs/l1_embedding runs/l1_embedding_seed_*; do $(BIN)/keras-ae rtl $$run \
	    && $(BIN)/keras-ae synthesize $$run --no-place || exit; done
	$(BIN)/python benchmarks/embedding.py build/embedding runs/l1_embedding runs/l1_embedding_seed_* \
	    > benchmarks/embedding.md
	$(BIN)/python benchmarks/embedding_search.py > benchmarks/embedding_search.md

# The samples that come with the package, on all cores; goes on where it was interrupted. Takes two
# and a half core-hours.
sample: $(READY)
	$(BIN)/keras-ae generate build/l1 --n-background 265000 --n-signal 20000 --seed 1
	cp build/l1/*.h5 keras_ae/data/samples/l1/
	$(BIN)/keras-ae generate-jets build/jets --n-jets 8000 --seed 1
	cp build/jets/*.h5 keras_ae/data/samples/jets/

# Events of the package as users have theirs, for configs/own_*.yaml.
examples: $(READY)
	$(BIN)/python benchmarks/example_events.py build/examples

lock: $(READY)
	$(BIN)/pip install uv
	$(BIN)/uv pip compile pyproject.toml --extra physics --extra tensorboard --extra top-tagging --extra rtl \
	    --extra scan --extra dask --extra root --extra parquet --extra dev --universal --python-version 3.11 --no-header \
	    --no-emit-index-url --no-emit-find-links --upgrade -o requirements.lock

clean:
	rm -rf $(VENV) build *.egg-info

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11))" \
	    || { echo "Python must be >= 3.11, got $$($(PYTHON) --version)"; exit 2; }
	@command -v g++ > /dev/null || { echo "g++ must be on PATH for C-simulation"; exit 2; }
	@echo "installing into $(VENV), takes a few minutes"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -e .
	touch $@
