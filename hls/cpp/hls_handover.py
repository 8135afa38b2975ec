"""What the engineer who takes a project over finds in it: README, Makefile, exact comparison."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from string import Template

from hls.cpp.backends import BACKENDS
from hls.cpp.inputs_header import write_inputs_header
from hls.graph.facts import Origin, decision_facts, table_row
from hls.graph.front_end_facts import order_of_values
from hls.graph.interface import Port
from hls.graph.trigger_graph import TriggerGraph
from keras_ae import __version__
from keras_ae.settings.firmware import FirmwareSettings

_TEMPLATES = Path(__file__).parent / "templates" / "handover"

#: hls4ml's doing.
_ONE_BIT = "\nA port of one bit is two bits wide in this C++, the last of which is always zero."
_STRUCTURES = "\nThe inputs are members of one structure, the outputs of another."
_STREAMS = "\nEach port is a stream: an event is one packet of all values, an image one a pixel."
_INPUTS = """

`inputs.h` makes these values of physical ones: structures, and `to_hardware`, which gives the bits
that the Python package gives. `example_inputs.cpp` reads events as text and prints their values;
`make build/example_inputs` builds it."""
_THRESHOLD = "\nThresholds are sent with every event."


def write_handover(
    folder: Path,
    graph: TriggerGraph,
    settings: FirmwareSettings,
    reuse_factors: Mapping[str, int],
    n_events: int,
    origin: Origin | None = None,
) -> None:
    """Add `README.md`, `Makefile` and `compare_results.cpp` to the project in `folder`.

    Of a front end `inputs.h` and its example, too.

    Args:
        folder: of the project, written by hls4ml.
        graph: trigger graph that it was made of.
        settings: what the firmware is made for.
        reuse_factors: of the layers with multipliers, by name.
        n_events: of the test bench, in `tb_data`.
        origin: of the graph, for the README; the front end is its.
    """
    shutil.copyfile(_TEMPLATES / "compare_results.cpp", folder / "compare_results.cpp")
    makefile = (_TEMPLATES / "Makefile").read_text(encoding="utf-8")
    makefile = makefile.replace("@N_EVENTS@", str(n_events))
    (folder / "Makefile").write_text(makefile, encoding="utf-8")
    interface = graph.interface
    sides = [("in", port) for port in interface.inputs]
    sides += [("out", port) for port in interface.outputs]
    front_end = origin.front_end if origin else None
    # What states no format has that of the network's input.
    write_inputs_header(folder, front_end, interface.inputs[0].form)
    has_text = any((folder / "firmware" / "weights").glob("*.txt"))
    tools = BACKENDS[settings.backend].tools
    text = Template((_TEMPLATES / "README.md").read_text(encoding="utf-8")).substitute(
        version=__version__,
        facts="\n".join(
            table_row(*fact) for fact in _facts(graph, settings, reuse_factors, origin)
        ),
        score=graph.score_names[0],
        ports="\n".join(_port_row(side, port) for side, port in sides),
        notes="".join(_notes(settings, graph)),
        order="\n".join(order_of_values(graph, front_end)),
        inputs=_INPUTS if front_end else "",
        n_events=str(n_events),
        backend=settings.backend,
        commands="\n\nor\n\n".join(f"    {shlex.join(tool.command)}" for tool in tools),
        weights="`.h` is compiled by synthesis, `.txt` read by the bench; `make` compares them"
        if has_text
        else "compiled by synthesis and test bench alike",
    )
    (folder / "README.md").write_text(text, encoding="utf-8")


def _notes(settings: FirmwareSettings, graph: TriggerGraph) -> Iterator[str]:
    """On the ports, a line each."""
    streams = settings.io_type == "io_stream"
    if streams:
        yield _STREAMS
    elif settings.backend == "Quartus":
        yield _STRUCTURES
    if graph.threshold_inputs:
        yield _THRESHOLD
    if BACKENDS[settings.backend].types == "ac":
        yield _ONE_BIT


def _facts(
    graph: TriggerGraph,
    settings: FirmwareSettings,
    reuse_factors: Mapping[str, int],
    origin: Origin | None,
) -> list[tuple[str, str]]:
    """What the project is, in pairs of a name and a value."""
    return [
        *decision_facts(graph, origin),
        ("backend", f"{settings.backend}, {settings.io_type}"),
        ("part", settings.part),
        ("clock", f"{settings.clock_ns:g} ns"),
        ("strategy", _strategy(settings, reuse_factors)),
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
