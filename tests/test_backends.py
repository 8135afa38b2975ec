"""Intel's and Siemens' backends: the same function, in their types, with their own test bench."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from test_firmware import UNITS, convert, make_graph
from trigger_objects import N_FEATURES, hardware_of

from hls.cpp.backends import BACKENDS
from hls.cpp.constants import check_copies
from hls.cpp.convert import convert_trigger_graph
from hls.graph.build import build_trigger_graph
from hls.graph.trigger_graph import TriggerGraph
from hls.proof.stress import stress_events
from hls.proof.validate import validate_project
from keras_ae.data.l1 import read_l1_events
from keras_ae.data.source import resolve_path
from keras_ae.errors import ProofError
from keras_ae.models import build_autoencoder
from keras_ae.precision import FixedPoint
from keras_ae.settings.architecture import ArchitectureSpec, ConvolutionalSpec
from keras_ae.settings.firmware import FirmwareSettings

SCORES = ("squared_latent_norm", "reconstruction_error", "kl_divergence")


@pytest.fixture(scope="module")
def events() -> np.ndarray:
    """Background hardware integers (6000, 57)."""
    path = resolve_path("package:l1/background.h5")
    return hardware_of(read_l1_events(path, 6000).objects)


@pytest.mark.parametrize(
    ("backend", "io_type", "threshold"),
    [
        ("Quartus", "io_parallel", "constant"),
        ("Catapult", "io_parallel", "input"),
        pytest.param("Quartus", "io_stream", "input", marks=pytest.mark.slow),
        pytest.param("Catapult", "io_stream", "input", marks=pytest.mark.slow),
    ],
)
def test_every_bit(
    backend: str, io_type: str, threshold: str, events: np.ndarray, tmp_path: Path
) -> None:
    from_input = threshold == "input"
    graph = make_graph("variational", events[:3000], None, SCORES, from_input)
    folder = tmp_path / "firmware"
    convert(graph, folder, (events,), backend=backend, io_type=io_type)
    # Nothing beside the project.
    assert [path.name for path in tmp_path.iterdir()] == ["firmware"]
    samples = {"background": (events,), "stress": (stress_events(UNITS, (57,), 6000, seed=1),)}
    samples = {name: graph.with_threshold(values) for name, values in samples.items()}
    if from_input:
        form = graph.layer("threshold").form
        samples["any threshold"] = (events, stress_events(form, (1,), len(events), seed=2))
    validation = validate_project(graph, folder, samples)
    assert validation.events == sum(len(values[0]) for values in samples.values())
    assert validation.mismatching_bits == 0
    assert {found.mismatching_events for found in validation.firmware.values()} == {0}
    assert (validation.bench.events, validation.bench.mismatching_events) == (200, 0)
    assert 0 < validation.outputs["background"].trigger.mean() < 0.05
    assert 0 < validation.outputs["stress"].trigger.mean() < 1
    assert tuple(validation.outputs["stress"].scores) == SCORES


@pytest.mark.parametrize(
    ("backend", "io_type"), [("Quartus", "io_stream"), ("Catapult", "io_parallel")]
)
@pytest.mark.slow
def test_images(backend: str, io_type: str, tmp_path: Path) -> None:
    keras.utils.set_random_seed(1)
    spec = ConvolutionalSpec(
        kind="convolutional", image_shape=(4, 4, 1), filters=(2,), hidden_dims=(4,), latent_dim=2
    )
    precision = FixedPoint(input="fixed<6,1>", reconstruction="fixed<8,4>")
    model = build_autoencoder("plain", spec, precision, likelihood="bernoulli")
    images = np.abs(stress_events(precision.input, (4, 4, 1), 1000, seed=1))
    images = precision.input.quantize(images)
    graph = build_trigger_graph(model, ["reconstruction_error"], (images,), 0.1)
    convert(graph, tmp_path / "firmware", (images,), backend=backend, io_type=io_type)
    validation = validate_project(graph, tmp_path / "firmware", {"stress": (images,)})
    assert (validation.events, validation.mismatching_bits) == (1000, 0)


@pytest.fixture(scope="module")
def narrow() -> tuple[TriggerGraph, np.ndarray]:
    """The trigger graph of a narrow autoencoder, and events (500, 4)."""
    keras.utils.set_random_seed(1)
    spec = ArchitectureSpec(input_dim=4, hidden_dims=(4,), latent_dim=2)
    inputs = stress_events(FixedPoint().input, (4,), 500, seed=1)
    model = build_autoencoder("variational", spec, FixedPoint())
    return build_trigger_graph(model, ["kl_divergence"], (inputs,), 0.1), inputs


@pytest.fixture(scope="module")
def projects(
    narrow: tuple[TriggerGraph, np.ndarray], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """One of each backend."""
    graph, inputs = narrow
    folders = {}
    for backend in BACKENDS:
        folders[backend] = tmp_path_factory.mktemp(backend) / "firmware"
        settings = FirmwareSettings(backend=backend, clock_ns=4.0)
        convert_trigger_graph(graph, folders[backend], settings, [inputs[:20]])
    return folders


class TestProject:
    def test_vivado(
        self, narrow: tuple[TriggerGraph, np.ndarray], projects: dict[str, Path]
    ) -> None:
        graph, inputs = narrow
        validation = validate_project(graph, projects["Vivado"], {"stress": (inputs,)})
        assert (validation.events, validation.mismatching_bits) == (500, 0)

    def test_target_is_in_the_build_script(self, projects: dict[str, Path]) -> None:
        quartus = (projects["Quartus"] / "quartus.mk").read_text()
        assert "DEVICE   := Arria10\n" in quartus and "anomaly_trigger-fpga" in quartus
        top = (projects["Quartus"] / "firmware" / "anomaly_trigger.cpp").read_text()
        assert "hls_scheduler_target_fmax_mhz(250)" in top
        catapult = (projects["Catapult"] / "build_prj.tcl").read_text()
        assert "setup_xilinx_part {xcku115-flvb2104-2-i}" in catapult
        assert "set hls_clock_period 4.0" in catapult
        assert "$sfd/tb_data/tb_input_features.dat" in catapult

    def test_pragmas_are_the_tools_own(self, projects: dict[str, Path]) -> None:
        for backend, folder in projects.items():
            for header in (folder / "firmware" / "nnet_utils").glob("nnet_trigger*.h"):
                text = header.read_text()
                assert ("#pragma HLS " in text) == (BACKENDS[backend].types == "ap"), header
                assert ("hls::stream" in text) <= (BACKENDS[backend].types == "ap"), header
        header = "firmware/nnet_utils/nnet_trigger.h"
        unrolled = "\n    #pragma unroll\n    for (unsigned i = 0; i < CONFIG_T::n_in; i++) {\n"
        assert f"Score:{unrolled}" in (projects["Quartus"] / header).read_text()
        assert "    #pragma hls_unroll yes\nScore:\n    for (" in (
            (projects["Catapult"] / header).read_text()
        )

    def test_nothing_names_the_place_where_it_was_written(self, projects: dict[str, Path]) -> None:
        for folder in projects.values():
            for path in (*folder.glob("*.*"), *folder.glob("firmware/*.*")):
                if path.suffix != ".keras":
                    assert f"{tempfile.gettempdir()}/" not in path.read_text(), path

    @pytest.mark.parametrize("backend", BACKENDS)
    def test_twice_the_same(
        self,
        backend: Any,
        narrow: tuple[TriggerGraph, np.ndarray],
        projects: dict[str, Path],
        tmp_path: Path,
    ) -> None:
        graph, inputs = narrow
        settings = FirmwareSettings(backend=backend, clock_ns=4.0)
        convert_trigger_graph(graph, tmp_path / "firmware", settings, [inputs[:20]])
        found, expected = (
            {
                path.relative_to(folder): path.read_bytes()
                for path in folder.rglob("*.*")
                if path.is_file()
            }
            for folder in (tmp_path / "firmware", projects[backend])
        )
        # Those of a simulation are beside.
        differ = [name for name, content in found.items() if expected.get(name) != content]
        assert len(found) > 20 and differ == []

    def test_weight_files(self, projects: dict[str, Path]) -> None:
        for folder in projects.values():
            check_copies(folder)
        # For Quartus there is one of each, which both compile; for the others, two.
        assert not list((projects["Quartus"] / "firmware" / "weights").glob("*.txt"))
        for path in (projects["Catapult"] / "firmware" / "weights").glob("*.txt"):
            path.unlink()
        with pytest.raises(ProofError, match=r"have b\d+.txt beside it"):
            check_copies(projects["Catapult"])

    def test_readme_names_the_tool(self, projects: dict[str, Path]) -> None:
        for backend, tool in (("Vivado", "vivado_hls -f"), ("Catapult", "catapult -product ultra")):
            assert f"    {tool}" in (projects[backend] / "README.md").read_text()
        quartus = (projects["Quartus"] / "README.md").read_text()
        assert "    make -f quartus.mk test" in quartus
        assert "compiled by synthesis and test bench alike" in quartus
        assert "\nA port of one bit is two bits wide in this C++" in quartus
        types = (projects["Quartus"] / "firmware" / "defines.h").read_text()
        assert "typedef ac_fixed<2,1,false> trigger_t;" in types


class TestSettings:
    def test_defaults_are_the_backends(self) -> None:
        settings = FirmwareSettings(backend="Quartus")
        assert (settings.part, settings.strategy) == ("Arria10", "resource")
        assert FirmwareSettings(backend="Quartus", part="10AX115N2F45E1SG").part.startswith("10AX")
        assert FirmwareSettings(backend="Catapult").part == "xcku115-flvb2104-2-i"
        settings = FirmwareSettings()
        assert (settings.backend, settings.strategy) == ("Vitis", "latency")

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            (
                {"backend": "Quartus", "part": "xcvu13p-flga2577-2-e"},
                "part must start with one of arria10, .* for backend Quartus, got 'xcvu13p",
            ),
            (
                {"backend": "Catapult", "part": "Arria10"},
                "part must start with one of xc7a, .* for backend Catapult, got 'Arria10'",
            ),
            (
                {"backend": "Quartus", "strategy": "latency"},
                "strategy must be 'resource' for backend Quartus, got 'latency': choose another or "
                "backend Vitis or Vivado or Catapult",
            ),
            (
                {"backend": "Catapult", "strategy": "distributed_arithmetic"},
                "strategy must be 'latency' or 'resource' for backend Catapult",
            ),
            ({"backend": "oneAPI"}, "'Vitis', 'Vivado', 'Quartus' or 'Catapult'"),
            ({"backend": ["Vitis"]}, "'Vitis', 'Vivado', 'Quartus' or 'Catapult'"),
        ],
    )
    def test_refusals(self, settings: dict[str, object], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            FirmwareSettings(**settings)

    def test_one_bit_is_two_bits_in_ac_fixed(self) -> None:
        keras.utils.set_random_seed(1)
        precision = FixedPoint(activation="ufixed<1,0>")
        spec = ArchitectureSpec(input_dim=N_FEATURES, hidden_dims=(4,), latent_dim=2)
        model = build_autoencoder("variational", spec, precision)
        inputs = stress_events(precision.input, (N_FEATURES,), 100, seed=1)
        graph = build_trigger_graph(model, ["squared_latent_norm"], (inputs,), 0.1)
        with pytest.raises(
            ValueError,
            match=r"format must have at least 2 bits for backend Quartus, got ufixed<1,0>",
        ):
            convert_trigger_graph(
                graph, Path("never"), FirmwareSettings(backend="Quartus"), [inputs[:1]]
            )
