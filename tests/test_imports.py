"""Who may know whom, and that importing is cheap."""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted([*ROOT.glob("keras_ae/**/*.py"), *ROOT.glob("hls/**/*.py")])

#: Library -> the only modules that import it.
SINGLE_IMPORTERS = {
    "qkeras": {"keras_ae.precision"},
    "hls4ml": {"hls.cpp.nodes", "hls.cpp.overrides", "hls.cpp.convert"},
    "da4ml": {"hls.rtl.levels", "hls.rtl.logic", "hls.rtl.write"},
    "pythia8mc": {"keras_ae.generator.collisions"},
    "fastjet": {"keras_ae.generator.detector"},
    "matplotlib": {
        f"keras_ae.plots.{name}"
        for name in (
            "curves",
            "fidelity",
            "fields",
            "figure",
            "images",
            "latent",
            "pareto",
            "ranges",
        )
    },
    "pandas": {"keras_ae.data.top_tagging"},
    "uproot": {"keras_ae.data.root_file"},
    "awkward": {
        "keras_ae.data.root_file",
        *(
            f"keras_ae.generator.{name}"
            for name in ("boosted_jets", "collisions", "density", "detector", "minimum_bias")
        ),
    },
    "pyarrow": {"keras_ae.data.parquet_file"},
    "yaml": {"keras_ae.yaml_files"},
    "click": {"hls.cli", "keras_ae.generator.commands", "hls.scan.commands"},
    "optuna": {"hls.scan.study"},
    "distributed": {"hls.scan.workers"},
    "jinja2": {"hls.report.page", "hls.rtl.rendering"},
}

#: Rooms of keras_ae, from the bottom up: a module imports only modules of lower layers of its
#: package, also where only types are checked.
LAYERS = [
    {"errors", "lazy", "loading", "run_files", "scores"},
    {"files", "arrays", "mapping", "fixed_point", "section", "yaml_files"},
    {"front_end"},
    {"audit"},
    {"bounded"},
    {"likelihoods", "corruptions", "schedules", "weights"},
    {"metrics", "divergences", "compression", "clustering"},
    {"rates"},
    {"data"},
    {"augmentations", "plots"},
    {"exposure"},
    {"settings"},
    {"precision", "stages", "events", "teachers"},
    {"networks", "twins"},
    {"models"},
    {"fitting"},
    {"detector", "experiment_models"},
    {"quantization", "runs"},
    {"run_contents"},
    {"teaching"},
    {"run_fitting"},
    {"embedding"},
    {"training"},
    {"evaluation", "summary", "generator"},
]
#: Rooms of hls, likewise. What is computed is at the bottom.
HLS_LAYERS = [
    {"graph"},
    {"compiled"},
    {"cpp", "rtl", "cost"},
    {"synthesis"},
    {"proof"},
    {"report"},
    {"stages"},
    {"scan"},
    {"cli"},
]
#: Modules of the lowest room, likewise.
GRAPH_LAYERS = [
    {"refusal", "interface", "keras_layers", "shift_add", "symbolic", "grid"},
    {"trigger_output", "counting", "keras_options", "quantized_weights", "roles"},
    {"layer"},
    {"layers", "node"},
    {"exact", "keras_form", "packed_ports", "storage"},
    {"keras_network"},
    {"layer_graph"},
    {"trigger_graph"},
    {"assembly", "facts", "baselines"},
    {"score_nodes", "front_end_facts"},
    {"build"},
]
#: And of its room of layers.
LAYERS_LAYERS = [
    {"logic_layer", "moving_layers", "quantizer", "rescaling", "unpacking"},
    {"arithmetic_layers", "pooling_layers", "rectifier"},
    {
        "decision",
        "kernel_layers",
        "lookup_table",
        "measured_inputs",
        "scale_inputs",
        "score_layers",
    },
    {"convolution", "error_scores"},
]


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@functools.cache
def imported_modules(path: Path) -> frozenset[str]:
    """What is imported anywhere in a file, also where only types are checked."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(found)


@pytest.mark.parametrize("library", SINGLE_IMPORTERS)
def test_one_importer_each(library: str) -> None:
    importers = {
        module_name(path)
        for path in FILES
        if any(name.split(".")[0] == library for name in imported_modules(path))
    }
    assert importers == SINGLE_IMPORTERS[library]


def test_keras_ae_never_imports_hls() -> None:
    for path in FILES:
        name = module_name(path)
        if name.startswith("keras_ae"):
            assert not any(module.split(".")[0] == "hls" for module in imported_modules(path)), name


#: A package or one of its rooms, and the layers of what is in it.
PLACES = {
    "keras_ae": LAYERS,
    "hls": HLS_LAYERS,
    "hls.graph": GRAPH_LAYERS,
    "hls.graph.layers": LAYERS_LAYERS,
}


@pytest.mark.parametrize("place", PLACES)
def test_everything_has_its_layer(place: str) -> None:
    placed = [room for layer in PLACES[place] for room in layer]
    assert sorted(placed) == rooms_of(place)


def rooms_of(package: str) -> list[str]:
    """Modules and packages in a package."""
    return sorted(
        room.stem
        for room in (ROOT / package.replace(".", "/")).iterdir()
        if (room.suffix == ".py" and room.stem != "__init__") or (room / "__init__.py").exists()
    )


def test_nothing_imports_the_command_line() -> None:
    for path in FILES:
        assert "hls.cli" not in imported_modules(path), path


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_layers_point_downwards(path: Path, place: str) -> None:
    level = {name: number for number, names in enumerate(PLACES[place]) for name in names}

    def room(module: str) -> str | None:
        """In which part of the place a module is; None outside, and for the place itself."""
        inside = module.removeprefix(f"{place}.")
        return inside.split(".")[0] if inside != module and module != place else None

    own = room(module_name(path))
    if own is None:
        return
    for module in imported_modules(path):
        other = room(module)
        if other in level and other != own:
            assert level[other] < level[own], f"{module_name(path)} imports {module}"


def test_no_circles() -> None:
    names = {module_name(path): path for path in FILES}
    graph = {name: imported_modules(path) & set(names) - {name} for name, path in names.items()}
    assert sorted(TopologicalSorter(graph).static_order()) == sorted(names)


@pytest.mark.parametrize("module", ["keras_ae", "hls", "hls.cli"])
def test_import_loads_nothing_heavy(module: str) -> None:
    heavy = {"tensorflow", "keras", "qkeras", "hls4ml", "da4ml", "numpy", "matplotlib", "pydantic"}
    code = f"import sys, {module}; print(sorted({heavy} & set(sys.modules)))"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("module", "loaded"),
    [("hls.graph.trigger_graph", []), ("hls.cost.model", []), ("hls.rtl.write", ["da4ml"])],
)
def test_a_stored_graph_needs_no_tensorflow(module: str, loaded: list[str]) -> None:
    heavy = {"tensorflow", "keras", "qkeras", "hls4ml", "da4ml", "matplotlib"}
    code = f"import sys, {module}; print(sorted({heavy} & set(sys.modules)))"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert result.stdout.strip() == str(loaded)


#: Packages whose docstring lists what is in them. `models` needs no list: a file is an objective.
LISTED = sorted(
    module_name(path)
    for path in FILES
    if path.stem == "__init__" and module_name(path) != "keras_ae.models"
)


@pytest.mark.parametrize("package", LISTED)
def test_the_docstring_lists_what_is_there(package: str) -> None:
    """A line for each module, or for several: names, two spaces or more, what they are."""
    path = ROOT / package.replace(".", "/") / "__init__.py"
    text = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    columns = re.findall(r"^ *(\w+(?:, \w+)*)  +\S", text, re.MULTILINE)
    listed = [name for names in columns for name in names.split(", ")]
    assert sorted(listed) == rooms_of(package)


def test_the_name_qkeras_has_one_owner() -> None:
    # hgq2 ships a folder of the same name, which breaks qkeras-v3.
    assert packages_distributions()["qkeras"] == ["qkeras-v3"]


@pytest.mark.parametrize("package", ["keras_ae", "hls"])
def test_public_names(package: str) -> None:
    module = importlib.import_module(package)
    for name in module.__all__:
        assert getattr(module, name) is not None
        # Not a module of the same name, which would take its place when it is imported.
        assert not inspect.ismodule(getattr(module, name))
    with pytest.raises(AttributeError, match="public names: "):
        module.nothing  # noqa: B018
