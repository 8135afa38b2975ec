"""Each constant and port of a project is the graph's, whether an event shows it or not."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
from trigger_objects import N_FEATURES, PORT_FORMAT, scaler_by

from hls.cpp.constants import altered_constants, check_copies, read_rows
from hls.cpp.convert import convert_trigger_graph
from hls.cpp.ports import check_port_types
from hls.graph.build import build_trigger_graph
from hls.graph.trigger_graph import TriggerGraph
from hls.proof.stress import stress_events
from keras_ae.errors import ProofError
from keras_ae.models import build_autoencoder
from keras_ae.precision import FixedPoint
from keras_ae.settings.architecture import ArchitectureSpec
from keras_ae.settings.firmware import FirmwareSettings

UNITS = PORT_FORMAT


@pytest.fixture(scope="module")
def graph() -> TriggerGraph:
    """With every kind of constant: weights, biases, offsets, factors, a table, a threshold."""
    keras.utils.set_random_seed(1)
    spec = ArchitectureSpec(input_dim=N_FEATURES, hidden_dims=(3,), latent_dim=2)
    model = build_autoencoder("variational", spec, FixedPoint())
    for layer in model.encoder.layers:
        if layer.weights:
            kernel, bias = layer.get_weights()
            layer.set_weights([kernel, bias + np.arange(1, len(bias) + 1) / 8])
    pt = np.arange(N_FEATURES) % 3 == 0
    scaler = scaler_by(tuple((40 * pt).tolist()), tuple((2 + pt).tolist()))
    events = stress_events(UNITS, (N_FEATURES,), 200, seed=1)
    return build_trigger_graph(model, ["kl_divergence"], (events,), 0.1, scaler, UNITS)


@pytest.fixture(scope="module", params=["Vitis", "Quartus", "Catapult"])
def written(
    request: pytest.FixtureRequest, graph: TriggerGraph, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp(request.param) / "firmware"
    settings = FirmwareSettings(backend=request.param)
    convert_trigger_graph(graph, folder, settings, [np.zeros((2, N_FEATURES))])
    return folder


@pytest.fixture
def project(written: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(written, tmp_path / "copy"))


NAMES = (
    "scale_offsets",
    "scale_factors",
    "encoder_dense_1_weight",
    "encoder_dense_1_bias",
    "latent_mean_weight",
    "latent_mean_bias",
    "latent_log_var_weight",
    "latent_log_var_bias",
    "kl_divergence_table_table",
    "trigger_limit",
)


def header_of(project: Path, name: str) -> Path:
    (path,) = (
        path
        for path in (project / "firmware" / "weights").glob("*.h")
        if f"{name}_t " in path.read_text()
    )
    return path


def change(path: Path, index: int, by: float) -> None:
    """One number of a header."""
    text = path.read_text()
    first, end = text.rindex("{") + 1, text.rindex("}")
    numbers = text[first:end].split(",")
    numbers[index] = f"{float(numbers[index]) + by:.17g}"
    path.write_text(text[:first] + ", ".join(numbers) + text[end:])


def test_nothing_is_altered(graph: TriggerGraph, project: Path) -> None:
    assert altered_constants(project, graph) == ()
    check_copies(project)


@pytest.mark.parametrize("name", NAMES)
def test_one_number_of_each(name: str, graph: TriggerGraph, project: Path) -> None:
    # Less than a step: C++ cuts it to one.
    change(header_of(project, name), -1, -(2.0**-20))
    assert altered_constants(project, graph) == (name,)


@pytest.mark.parametrize("name", NAMES)
def test_one_that_is_gone(name: str, graph: TriggerGraph, project: Path) -> None:
    path = header_of(project, name)
    text = path.read_text()
    path.write_text(text[: text.rindex("{")] + text[text.rindex("}") :].replace("}", "{}"))
    assert altered_constants(project, graph) == (name,)
    path.unlink()
    assert altered_constants(project, graph) == (name,)


def test_order(graph: TriggerGraph, project: Path) -> None:
    for name in NAMES:
        path = header_of(project, name)
        text = path.read_text()
        first, end = text.rindex("{") + 1, text.rindex("}")
        numbers = ", ".join(reversed(text[first:end].split(",")))
        path.write_text(text[:first] + numbers + text[end:])
    # hls4ml transposes kernels; the limit is one number.
    same = {name for name in NAMES if name.endswith("_weight")} | {"trigger_limit"}
    assert set(altered_constants(project, graph)) == set(NAMES) - same


@pytest.mark.parametrize(("old", "new"), [("13", "16"), ("true", "false"), ("fixed", "ufixed")])
def test_types_of_ports(old: str, new: str, graph: TriggerGraph, project: Path) -> None:
    interface = graph.interface
    check_port_types(project, interface)
    path = project / "firmware" / "defines.h"
    text = path.read_text()
    (typedef,) = re.findall(r"typedef .*\binput_t;", text)
    changed = typedef.replace(old, new, 1)
    path.write_text(text.replace(typedef, changed))
    if changed != typedef and "ac_ufixed" not in changed:
        with pytest.raises(ProofError, match="must give port objects the format fixed<13,13>, got"):
            check_port_types(project, interface)
    path.unlink()
    with pytest.raises(ProofError, match="defines.h must be there"):
        check_port_types(project, interface)


def test_rows(tmp_path: Path) -> None:
    path = tmp_path / "rows.dat"
    path.write_text("1 2.5\n-3 4e-3\n")
    np.testing.assert_array_equal(read_rows(path), [[1, 2.5], [-3, 4e-3]])
    path.write_text("")
    assert read_rows(path).shape == (0, 0)
    for text in ("1 2\n3\n", "1 x\n"):
        path.write_text(text)
        with pytest.raises(ProofError, match="rows.dat must hold as many numbers in each line"):
            read_rows(path)
