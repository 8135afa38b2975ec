"""From what hls4ml writes to a project that is exact, can be moved and is native to its tool."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template

from hls.cpp.backends import Backend
from hls.cpp.headers import add_headers
from hls.graph.interface import Interface

_TEMPLATES = Path(__file__).parent / "templates"

#: hls4ml's makefile for Intel's compiler, beside the one of the hand-over.
QUARTUS_MAKEFILE = "quartus.mk"


@dataclass(frozen=True)
class _Dialect:
    """How a tool wants the C++ of `nnet_trigger.h`, which is written for AMD's.

    `pragmas` stand before a loop, of which {label} is the label, in place of an HLS pragma inside
    it; `stream` is the class of a stream, and `include` the line that brings it.
    """

    pragmas: Mapping[str, str]
    stream: str
    include: str


_DIALECTS = {
    "Quartus": _Dialect(
        {"UNROLL": "{label}{indent}#pragma unroll\n", "PIPELINE": "{label}{indent}#pragma ii 1\n"},
        "stream",
        "",
    ),
    "Catapult": _Dialect(
        {
            "UNROLL": "{indent}#pragma hls_unroll yes\n{label}",
            "PIPELINE": "{indent}#pragma hls_pipeline_init_interval 1\n{label}",
        },
        "ac_channel",
        '#include "ac_channel.h"\n',
    ),
}
_LOOP = re.compile(
    r"(?P<label>(?:^ *\w+:\n)?)^(?P<indent> *)(?P<loop>for [^\n]*\n) *#pragma HLS (?P<kind>\w+)\n",
    re.MULTILINE,
)


#: Where hls4ml writes its stamp.
_STAMPS = {
    "build_lib.sh": re.compile(r"^(LIB_STAMP=)\S+$", re.MULTILINE),
    "hls4ml_config.yml": re.compile(r"^(Stamp: )\S+$", re.MULTILINE),
}


def finish_project(
    folder: Path,
    name: str,
    backend: Backend,
    interface: Interface,
    headers: Mapping[str, Path],
    written_in: Path,
) -> None:
    """Turn the project `name` that hls4ml wrote into one that can be handed over.

    Args:
        folder: where it lies now.
        name: of the project.
        backend: that it was written for.
        interface: of the graph that it was made of.
        headers: C++ of the graph's layers, see `headers_of`.
        written_in: where hls4ml wrote it, which is named in its files.

    Raises:
        Refusal: a header is named like one that is there.
    """
    added = add_headers(headers, folder / "firmware" / "nnet_utils")
    for path in (folder / f"{name}_bridge.cpp", folder / "hls4ml_config.yml"):
        path.write_text(path.read_text(encoding="utf-8").replace(str(written_in), "."), "utf-8")
    bench = folder / f"{name}_test.cpp"
    if backend.name == "Quartus":
        (folder / "Makefile").rename(folder / QUARTUS_MAKEFILE)
        declarations = (folder / "firmware" / f"{name}.h").read_text(encoding="utf-8")
        bench.write_text(_quartus_bench(interface, declarations), encoding="utf-8")
    else:
        _widen_bench(bench)
    _name_streams(folder, name, interface)
    ap_types = folder / "firmware" / "ap_types" / "ap_fixed_base.h"
    if ap_types.is_file():
        _guard_rounding(ap_types)
    if backend.name == "Catapult":
        _name_bench_data(folder / "build_prj.tcl")
    if backend.name in _DIALECTS:
        ours = [*(folder / "firmware" / "nnet_utils").glob("nnet_trigger*.h"), *added]
        for header in ours:
            text = _translate(header.read_text(encoding="utf-8"), _DIALECTS[backend.name])
            header.write_text(text, encoding="utf-8")
    _stamp_by_content(folder)


def _stamp_by_content(folder: Path) -> None:
    """The stamp of the library's name follows from the project, so that the same has the same.

    hls4ml draws it, and names what it loads into a process by it.
    """
    stamped = {}
    for name, line in _STAMPS.items():
        text, n_found = line.subn(r"\g<1>", (folder / name).read_text(encoding="utf-8"))
        if n_found != 1:
            raise ValueError(f"{name} must have one stamp, got {n_found}: another hls4ml")
        stamped[folder / name] = text
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        content = stamped[path].encode() if path in stamped else path.read_bytes()
        digest.update(f"{path.relative_to(folder)} {len(content)}\n".encode() + content)
    # No number to YAML.
    stamp = f"s{digest.hexdigest()[:7]}"
    for name, line in _STAMPS.items():
        text = line.sub(rf"\g<1>{stamp}", (folder / name).read_text(encoding="utf-8"))
        (folder / name).write_text(text, encoding="utf-8")


def _name_streams(folder: Path, name: str, interface: Interface) -> None:
    """Give each stream of the top function the name of its port.

    A score that also decides is cloned by hls4ml, and its port has the name of the clone.
    """
    header = (folder / "firmware" / f"{name}.h").read_text(encoding="utf-8")
    streams = re.findall(r"<\w+> ?&(\w+?)(?:_stream)?\s*(?=[,)])", header)
    # Quartus declares the function twice.
    arguments = list(dict.fromkeys(streams))
    ports = (*interface.inputs, *interface.outputs)
    if arguments and len(arguments) != len(ports):
        raise ValueError(f"{name}.h of hls4ml must have {len(ports)} streams, got {arguments}")
    for port, argument in zip(ports, arguments or [port.name for port in ports], strict=True):
        if argument == port.name:
            continue
        paths = [folder / "firmware" / f"{name}.{kind}" for kind in ("cpp", "h")]
        paths += [folder / f"{name}_{kind}.cpp" for kind in ("bridge", "test")]
        for path in paths:
            text = path.read_text(encoding="utf-8")
            if path.parent.name == "firmware":
                # The score before it is cloned; neither the layer's name in a comment nor the
                # function of the same name.
                inner = rf"(?<!// )(?<!::)\b{port.name}\b(?!<)"
                text = re.sub(inner, f"{port.name}_to_clone", text)
            text = re.sub(rf"\b{argument}(?=\b|_stream\b|_ap\b)", port.name, text)
            path.write_text(text, encoding="utf-8")


def _replace(path: Path, *changes: tuple[str, str]) -> None:
    """In a file of hls4ml's, which must hold each of what is replaced."""
    text = path.read_text(encoding="utf-8")
    for old, new in changes:
        if old not in text:
            raise ValueError(f"{path.name} of hls4ml must hold {old!r}")
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")


def _widen_bench(path: Path) -> None:
    """hls4ml's bench reads float32 and writes six digits: too few to compare wide outputs."""
    stream = "std::ofstream fout(RESULTS_LOG);"
    _replace(
        path,
        ("std::vector<float> in", "std::vector<double> in"),
        ("nnet::copy_data<float, ", "nnet::copy_data<double, "),
        (stream, f"{stream}\n    fout.precision(17);"),
    )


def _guard_rounding(path: Path) -> None:
    """hls4ml's open ap_types read a bit that they do not use, and an assertion ends the program.

    Where a number stays below half a step of the format that it is rounded to, the bit behind that
    format's last is beyond the number's first.
    """
    old = "bool qbit = _AP_ROOT_op_get_bit(op.V, F2 - _AP_F - 1);"
    _replace(path, (old, old.replace("= ", "= F2 - _AP_F - 1 < _AP_W2 && ")))


def _quartus_bench(interface: Interface, declarations: str) -> str:
    """hls4ml leaves none where there are several outputs; `declarations` are its top function's."""
    streams = re.findall(r"(stream_(?:in|out)<\w+>) &(\w+)_stream", declarations)
    if not streams:
        reads = [f"        read_port(fin, event.{port.name});" for port in interface.inputs]
        writes = [f"        write_port(fout, result.{port.name});" for port in interface.outputs]
        return _fill("quartus_bench.cpp", read_inputs=reads, write_outputs=writes)
    # Declared twice, for g++ and for i++. A score that also decides has the name of its copy.
    kinds = {name: kind for kind, name in streams}
    ports = dict(zip(kinds, (*interface.inputs, *interface.outputs), strict=True))
    n_in, first, writes, prints = len(interface.inputs), 0, [], []
    for number, (name, port) in enumerate(ports.items()):
        if number < n_in:
            writes.append(f"        write_port(event, {first}, {port.n_values}, {name});")
            first += port.n_values
        else:
            prints.append(f"        print_port(fout, {port.n_values}, {name});")
    return _fill(
        "quartus_bench_stream.cpp",
        streams=[f"    {kind} {name};" for name, kind in kinds.items()],
        n_inputs=[str(interface.n_inputs)],
        write_inputs=writes,
        ports=[", ".join(kinds)],
        print_outputs=prints,
    )


def _fill(template: str, **lines: list[str]) -> str:
    text = (_TEMPLATES / template).read_text(encoding="utf-8")
    return Template(text).substitute({name: "\n".join(parts) for name, parts in lines.items()})


def _name_bench_data(script: Path) -> None:
    """Without, Catapult's simulation runs random events."""
    data = "$sfd/tb_data/tb_input_features.dat $sfd/tb_data/tb_output_predictions.dat"
    arguments = 'INVOKE_ARGS "$sfd/firmware/weights'
    _replace(script, (f'{arguments}"', f'{arguments} {data}"'))


def _translate(text: str, dialect: _Dialect) -> str:
    """C++ for another tool than AMD's."""
    text = _LOOP.sub(
        lambda found: (
            dialect.pragmas[found["kind"]].format(**found.groupdict())
            + found["indent"]
            + found["loop"]
        ),
        text,
    )
    text = text.replace('#include "hls_stream.h"\n', dialect.include)
    text = text.replace("hls::stream<", f"{dialect.stream}<")
    # The rest is about arrays, packets and inlining, which these tools do by themselves.
    return re.sub(r"^ *(#pragma HLS|PRAGMA_DATA_PACK)[^\n]*\n", "", text, flags=re.MULTILINE)
