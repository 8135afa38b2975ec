"""The project as it is handed over: `make` alone builds it, runs it and finds what differs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import keras
import numpy as np
import pytest
from conftest import made_once
from trigger_objects import FRONT_END, N_FEATURES, PORT_FORMAT, fitted_scaler, hardware_of

from hls.cpp.convert import convert_trigger_graph
from hls.graph.build import build_trigger_graph
from hls.graph.facts import Origin
from hls.graph.interface import PROJECT_NAME, read_interface
from hls.proof.stress import stress_events
from keras_ae.data.l1 import read_l1_events
from keras_ae.data.source import resolve_path
from keras_ae.errors import InputError
from keras_ae.models import build_autoencoder
from keras_ae.precision import FixedPoint
from keras_ae.settings.architecture import ArchitectureSpec, ConvolutionalSpec
from keras_ae.settings.firmware import FirmwareSettings

N_EVENTS = 50


def small_graph(scores: list[str], threshold_input: bool = False) -> tuple:
    """A trigger graph of a narrow autoencoder of trigger objects, and values of its inputs."""
    keras.utils.set_random_seed(1)
    units = PORT_FORMAT
    events = stress_events(units, (N_FEATURES,), 200, seed=1)
    spec = ArchitectureSpec(input_dim=N_FEATURES, hidden_dims=(4,), latent_dim=2)
    graph = build_trigger_graph(
        build_autoencoder("variational", spec, FixedPoint()),
        scores,
        (events,),
        0.1,
        fitted_scaler(events),
        units,
        threshold_input,
    )
    return graph, [part[:N_EVENTS] for part in graph.with_threshold((events,))]


@pytest.fixture(scope="module")
def moved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project, moved after it was written, and built."""

    def make_it(folder: Path) -> None:
        graph, inputs = small_graph(["squared_latent_norm", "reconstruction_error"])
        written = folder / "written"
        origin = Origin("narrow: variational autoencoder 57-4-2", 0.1, front_end=FRONT_END)
        convert_trigger_graph(graph, written, FirmwareSettings(), inputs, origin)
        there = folder / "a folder"
        shutil.move(written, there)
        result = make(there)
        assert result.returncode == 0, result.stderr
        assert result.stdout.splitlines()[-1] == f"{N_EVENTS} events, 0 differ"

    return made_once(tmp_path_factory, "moved", make_it) / "a folder"


@pytest.fixture
def copy(moved: Path, tmp_path: Path) -> Path:
    # With the times of the files: what is built stays so.
    return Path(shutil.copytree(moved, tmp_path / "copy"))


def make(folder: Path, *targets: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", *targets],
        cwd=folder,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_nothing_names_the_place_where_it_was_written(moved: Path) -> None:
    for path in moved.rglob("*"):
        if path.is_file() and "build" not in path.parts and path.suffix != ".keras":
            assert f"{tempfile.gettempdir()}/" not in path.read_text("utf-8", "replace"), path


def test_readme(moved: Path) -> None:
    lines = (moved / "README.md").read_text(encoding="utf-8").splitlines()
    assert lines[0] == f"# {PROJECT_NAME}"
    for line in (
        "| model | narrow: variational autoencoder 57-4-2 |",
        "| score that decides | `squared_latent_norm` |",
        "| further scores | `reconstruction_error` |",
        "| backend | Vitis, io_parallel |",
        "| clock | 5 ns |",
        "| in | `objects` | `fixed<13,13>` | 1 | 57 |",
        "| out | `trigger` | `ufixed<1,1>` | 1 | 1 |",
        "| 3 to 14 | `electron` 0 to 3 | `pt`, `eta`, `phi` "
        "| `pt == 0` | `pt`, the largest first |",
        "| `electron.pt` | 3, 6, … 12 | GeV | 0.5 | fixed<13,13> | RND_CONV | SAT |",
        "    vitis_hls -f build_prj.tcl",
    ):
        assert line in lines
    (threshold,) = (line for line in lines if line.startswith("| threshold |"))
    assert threshold.endswith(", above which is a fraction of at most 0.1 of background |")
    assert not any("$" in line for line in lines)


def test_physical_events_become_the_values_of_the_port(copy: Path) -> None:
    """Of the shipped sample: what the project's own program prints, its port takes."""
    result = make(copy, "build/example_inputs")
    assert result.returncode == 0, result.stderr
    objects = read_l1_events(resolve_path("package:l1/background.h5"), 300).objects
    rows = objects[:, :, :3].reshape(len(objects), -1).tolist()
    result = subprocess.run(
        [copy / "build" / "example_inputs"],
        input="".join(" ".join(map(repr, row)) + "\n" for row in rows),
        capture_output=True,
        text=True,
        check=True,
    )
    found = np.array([line.split() for line in result.stdout.splitlines()], float)
    np.testing.assert_array_equal(found, hardware_of(objects))
    read_interface(copy).check([found])
    assert "`make build/example_inputs` builds it." in (copy / "README.md").read_text("utf-8")


def test_readme_of_other_inputs(tmp_path: Path) -> None:
    keras.utils.set_random_seed(1)
    spec = ConvolutionalSpec(
        kind="convolutional", image_shape=(4, 8, 1), filters=(2,), latent_dim=2
    )
    model = build_autoencoder("plain", spec, FixedPoint())
    images = stress_events(FixedPoint().input, (4, 8, 1), 100, seed=1)
    graph = build_trigger_graph(model, ["squared_error"], (images,), 0.1, threshold_input=True)
    settings = FirmwareSettings(io_type="io_stream", strategy="resource", reuse_factor=8)
    folder, bench = tmp_path / "firmware", graph.with_threshold((images[:5],))
    with pytest.raises(InputError, match="bench_inputs must hold at least one event"):
        convert_trigger_graph(graph, folder, settings, [part[:0] for part in bench])
    assert not folder.exists()
    convert_trigger_graph(graph, folder, settings, bench)
    text = (tmp_path / "firmware" / "README.md").read_text(encoding="utf-8")
    assert "An image of 4 x 8 x 1 (height, width, channels): row by row" in text
    assert "| threshold | the input `threshold`; in `tb_data` it is " in text
    assert "electron" not in text
    # A kernel of 9 x 2 numbers: 8 does not divide it.
    assert (
        "| strategy | resource, reuse factor 8; the closest possible is 9 for `encoder_conv_1`"
    ) in text
    assert "runs the 5 events" in text
    assert "\nEach port is a stream: " in text and "\nThresholds are sent with every" in text
    # The ports are called what the README and interface.json call them.
    top = (tmp_path / "firmware" / "firmware" / "anomaly_trigger.h").read_text()
    interface = read_interface(folder)
    names = [port.name for port in (*interface.inputs, *interface.outputs)]
    assert names == ["objects", "threshold", "squared_error", "trigger"]
    assert re.findall(r"&(\w+)", top) == names


class TestMakeFinds:
    def assert_fails(self, folder: Path, *words: str) -> None:
        result = make(folder)
        assert result.returncode != 0
        for word in words:
            assert word in result.stdout + result.stderr

    def test_an_expected_result_that_differs(self, copy: Path) -> None:
        path = copy / "tb_data" / "tb_output_predictions.dat"
        rows = np.loadtxt(path)
        rows[7, 0] += 2.0**-8
        np.savetxt(path, rows, fmt="%.17g")
        self.assert_fails(copy, "first that differs: event 7,", f"{N_EVENTS} events, 1 differ")

    def test_a_missing_expected_result(self, copy: Path) -> None:
        path = copy / "tb_data" / "tb_output_predictions.dat"
        path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
        # The bench stops there, too.
        self.assert_fails(copy, f"must hold {N_EVENTS} events, got {N_EVENTS - 1}")
        inputs = path.with_name("tb_input_features.dat")
        before = inputs.read_text()
        inputs.write_text("".join(before.splitlines(keepends=True)[:-1]))
        self.assert_fails(copy, f"{inputs.name} must hold {N_EVENTS} events, got {N_EVENTS - 1}")
        inputs.write_text(before)
        path.unlink()
        self.assert_fails(copy, "cannot read tb_data/tb_output_predictions.dat")

    def test_a_header_that_is_gone(self, copy: Path) -> None:
        # What was built of it is there, and no proof of what lies there now.
        (copy / "firmware" / "nnet_utils" / "nnet_trigger.h").unlink()
        self.assert_fails(copy, "nnet_trigger.h")

    def test_a_result_that_is_no_number(self, copy: Path) -> None:
        path = copy / "tb_data" / "tb_output_predictions.dat"
        path.write_text("x" + path.read_text())
        self.assert_fails(copy, f"{path.relative_to(copy)} must hold numbers, got 'x")

    @pytest.mark.slow
    def test_a_changed_weight(self, copy: Path) -> None:
        text = max(copy.glob("firmware/weights/w*.txt"), key=lambda path: path.stat().st_size)
        header = text.with_suffix(".h")
        for path, opening in ((text, ""), (header, "{")):
            content = path.read_text()
            start = content.index(opening) + len(opening)
            end = content.index("}") if opening else len(content)
            numbers = -np.array(content[start:end].split(","), float)
            changed = ", ".join(f"{number:.12f}" for number in numbers)
            path.write_text(content[:start] + changed + content[end:])
            if path == text:
                # Not the one that synthesis compiles.
                name = f"firmware/weights/{text.stem}"
                self.assert_fails(copy, f"{name}.h and {name}.txt differ")
        result = make(copy)
        assert result.returncode != 0
        assert f"{N_EVENTS} events, " in result.stdout and " 0 differ" not in result.stdout
        assert f"{text.name} differ" not in result.stdout
