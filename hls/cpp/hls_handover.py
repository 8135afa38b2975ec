"""What the engineer who takes a project over finds in it: README, Makefile, exact comparison."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template

import keras

from hls.cpp.backends import BACKENDS
from hls.graph.interface import Interface, Port
from hls.graph.logic_layers import ScaleObjects
from hls.graph.operation import producers
from keras_ae import __version__
from keras_ae.data.l1 import OBJECT_CLASSES
from keras_ae.data.scaling import FEATURES, HardwareUnits
from keras_ae.settings.firmware import FirmwareSettings

_TEMPLATES = Path(__file__).parent / "templates" / "handover"

#: hls4ml's doing.
_ONE_BIT = "\nA port of one bit is two bits wide in this C++, the last of which is always zero."
_STRUCTURES = "\nThe inputs are members of one structure, the outputs of another."
_STREAMS = "\nEach port is a stream: an event is one packet of all values, an image one a pixel."
_THRESHOLD = "\nThe threshold is sent with every event."


@dataclass(frozen=True)
class Origin:
    """Where a project comes from: what its trigger graph does not say.

    `model` is named in words; `target_fpr` is the fraction of background that may pass, at
    `input_rate_khz` if that is known; `units` are those of trigger objects, None for other data.
    """

    model: str
    target_fpr: float
    input_rate_khz: float | None = None
    units: HardwareUnits | None = None


def write_handover(
    folder: Path,
    graph: keras.Model,
    interface: Interface,
    settings: FirmwareSettings,
    reuse_factors: Mapping[str, int],
    n_events: int,
    origin: Origin | None = None,
) -> None:
    """Add `README.md`, `Makefile` and `compare_results.cpp` to the project in `folder`.

    Args:
        folder: of the project, written by hls4ml.
        graph: trigger graph that it was made of.
        interface: of the graph.
        settings: what the firmware is made for.
        reuse_factors: of the layers with multipliers, by name.
        n_events: of the test bench, in `tb_data`.
        origin: of the graph, for the README.
    """
    shutil.copyfile(_TEMPLATES / "compare_results.cpp", folder / "compare_results.cpp")
    makefile = (_TEMPLATES / "Makefile").read_text(encoding="utf-8")
    makefile = makefile.replace("@N_EVENTS@", str(n_events))
    (folder / "Makefile").write_text(makefile, encoding="utf-8")
    sides = [("in", port) for port in interface.inputs]
    sides += [("out", port) for port in interface.outputs]
    has_text = any((folder / "firmware" / "weights").glob("*.txt"))
    tools = BACKENDS[settings.backend].tools
    text = Template((_TEMPLATES / "README.md").read_text(encoding="utf-8")).substitute(
        version=__version__,
        facts="\n".join(
            table_row(*fact) for fact in _facts(graph, interface, settings, reuse_factors, origin)
        ),
        score=interface.outputs[0].name,
        ports="\n".join(_port_row(side, port) for side, port in sides),
        notes="".join(_notes(settings, graph)),
        order="\n".join(order_of_values(graph, origin.units if origin else None)),
        n_events=str(n_events),
        backend=settings.backend,
        commands="\n\nor\n\n".join(f"    {shlex.join(tool.command)}" for tool in tools),
        weights="`.h` is compiled by synthesis, `.txt` read by the bench; `make` compares them"
        if has_text
        else "compiled by synthesis and test bench alike",
    )
    (folder / "README.md").write_text(text, encoding="utf-8")


def _notes(settings: FirmwareSettings, graph: keras.Model) -> Iterator[str]:
    """On the ports, a line each."""
    streams = settings.io_type == "io_stream"
    if streams:
        yield _STREAMS
    elif settings.backend == "Quartus":
        yield _STRUCTURES
    if graph.get_layer(producers(graph.outputs)[-1]).from_input:
        yield _THRESHOLD
    if BACKENDS[settings.backend].types == "ac":
        yield _ONE_BIT


def table_row(*cells: str) -> str:
    """Of a table in Markdown."""
    return f"| {' | '.join(cells)} |"


def _facts(
    graph: keras.Model,
    interface: Interface,
    settings: FirmwareSettings,
    reuse_factors: Mapping[str, int],
    origin: Origin | None,
) -> list[tuple[str, str]]:
    """What the project is, in pairs of a name and a value."""
    return [
        *decision_facts(graph, interface, origin),
        ("backend", f"{settings.backend}, {settings.io_type}"),
        ("part", settings.part),
        ("clock", f"{settings.clock_ns:g} ns"),
        ("strategy", _strategy(settings, reuse_factors)),
    ]


def decision_facts(
    graph: keras.Model,
    interface: Interface,
    origin: Origin | None,
    bench: str = "tb_data",
) -> list[tuple[str, str]]:
    """What decides, in pairs of a name and a value; `bench` has the events of a test bench."""
    decision = graph.get_layer(producers(graph.outputs)[-1])
    scores = [f"`{port.name}`" for port in interface.outputs[:-1]]
    threshold = f"{decision.threshold!r}"
    if decision.from_input:
        threshold = f"the input `threshold`; in `{bench}` it is {threshold}"
    if origin:
        threshold += f", above which is a fraction of at most {origin.target_fpr:g} of background"
        if origin.input_rate_khz:
            rate = origin.target_fpr * origin.input_rate_khz
            threshold += f", {rate:g} kHz of {origin.input_rate_khz:g} kHz"
    facts = [("model", origin.model)] if origin else []
    return [
        *facts,
        ("score that decides", scores[0]),
        *([("further scores", ", ".join(scores[1:]))] if scores[1:] else []),
        ("threshold", threshold),
    ]


def _strategy(settings: FirmwareSettings, reuse_factors: Mapping[str, int]) -> str:
    text = f"{settings.strategy}, reuse factor {settings.reuse_factor}"
    others = {n: rf for n, rf in reuse_factors.items() if rf != settings.reuse_factor}
    if not others:
        return text
    named = ", ".join(f"{factor} for `{name}`" for name, factor in others.items())
    return f"{text}; the closest possible is {named}"


def _port_row(side: str, port: Port) -> str:
    fractional = port.form.fractional
    last_bit = f"2^{-fractional}" if fractional else "1"
    return table_row(side, f"`{port.name}`", f"`{port.format}`", last_bit, str(port.n_values))


def order_of_values(graph: keras.Model, units: HardwareUnits | None) -> list[str]:
    """Lines that say which value of an input is what."""
    lines = []
    if any(isinstance(layer, ScaleObjects) for layer in graph.layers):
        lines += _order_of_objects(units)
    for tensor in graph.inputs:
        if len(tensor.shape) == 4:  # batch, height, width, channels
            shape = " x ".join(map(str, tensor.shape[1:]))
            lines.append(
                f"An image of {shape} (height, width, channels): row by row, pixel by pixel."
            )
    return lines or ["As in the model's input."]


def names_of_objects() -> list[str]:
    """Of each number of the input `objects`, such as `jet 1 pt`."""
    places = [
        kind.name if kind.n_slots == 1 else f"{kind.name} {number}"
        for kind in OBJECT_CLASSES
        for number in range(1, kind.n_slots + 1)
    ]
    return [f"{place} {feature}" for place in places for feature in FEATURES]


def _order_of_objects(units: HardwareUnits | None) -> list[str]:
    n_features = len(FEATURES)
    lines = [
        "`objects` are integers, object by object. Within a class they are ordered by pT; an empty",
        "place is zero in all its numbers.",
        "",
        "| values | object | each |",
        "|---|---|---|",
    ]
    for kind in OBJECT_CLASSES:
        first, end = kind.slots.start * n_features, kind.slots.stop * n_features
        names = kind.name if kind.n_slots == 1 else f"{kind.name} 1 to {kind.n_slots}"
        lines.append(table_row(f"{first} to {end - 1}", names, ", ".join(FEATURES)))
    if units:
        lines += [
            "",
            f"1 is {units.pt_lsb_gev:g} GeV in pt, {units.eta_lsb:g} in eta and "
            f"{units.phi_lsb:g} in phi.",
        ]
    return lines
