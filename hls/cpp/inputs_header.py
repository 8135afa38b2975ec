"""From physical units to hardware values in C++: `inputs.h` of a front end, and its example.

The header states structures of the front end's objects, and does what `FrontEnd.to_hardware` does,
in the same order, so that both give the same bits.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from string import Template

from hls.cpp.event_structures import EventNames, number_statements, renamed_comments, structures
from keras_ae import __version__
from keras_ae.errors import InputError
from keras_ae.files import write_text
from keras_ae.fixed_point import FixedPointFormat
from keras_ae.front_end.fields import WireField
from keras_ae.front_end.front_end import FrontEnd

HEADER = "inputs.h"
EXAMPLE = "example_inputs.cpp"
_TEMPLATES = Path(__file__).parent / "templates" / "handover"

_ROUNDINGS = {"RND_CONV": "half_even", "RND": "half_up", "TRN": "down"}
_OVERFLOWS = {"SAT": "saturate", "WRAP": "wrap"}


def write_inputs_header(
    folder: Path,
    front_end: FrontEnd | None,
    input_format: FixedPointFormat | None = None,
) -> None:
    """Add `inputs.h` and `example_inputs.cpp` to the project in `folder`; nothing of no front end.

    Args:
        folder: of the project, which is there.
        front_end: what the wires carry.
        input_format: of the network's input, which fields have that state no format.

    Raises:
        InputError: a field without format, and no `input_format`.
    """
    if front_end is None:
        return
    write_text(folder / HEADER, render_inputs_header(front_end, input_format))
    example = (_TEMPLATES / EXAMPLE).read_text(encoding="utf-8")
    write_text(folder / EXAMPLE, example)


def render_inputs_header(front_end: FrontEnd, input_format: FixedPointFormat | None = None) -> str:
    """The text of `inputs.h`, C++11; see `write_inputs_header`.

    Raises:
        InputError: a field without format, and no `input_format`.
    """
    if input_format is not None:
        front_end = front_end.with_formats(input_format)
    for column in front_end.columns:
        if column.field.format is None:
            raise InputError(
                f"format of {column.group} must be stated for {HEADER}, or that of the network's "
                "input be given, got none"
            )
    names = EventNames(front_end)
    text = Template((_TEMPLATES / HEADER).read_text(encoding="utf-8"))
    return text.substitute(
        version=__version__,
        renamed="\n".join(renamed_comments(names)),
        example=names.first_member,
        n_values=str(front_end.n_values),
        structs="\n\n".join(structures(names)),
        read="\n".join(number_statements(names, "*next++ = {};", "const auto")),
        write="\n".join(number_statements(names, "{} = *next++;", "auto")),
        n_collections=str(len(front_end.collections)),
        tables="\n".join(_tables(front_end)),
        port="\n".join(_packed_port(front_end) if front_end.packed else _PLAIN_PORT),
    )


def _tables(front_end: FrontEnd) -> Iterator[str]:
    """What the conversion is told of each collection and of its fields."""
    rows = []
    for number, (name, kind) in enumerate(front_end.collections.items()):
        yield f"    static const Field fields_{number}[] = {{"
        for label, field in kind.fields.items():
            group = f"{name}.{label}" if name else label
            yield f"        {_field_row(group, field)}"
        yield "    };"
        rule = kind.empty_rule
        guard = -1 if rule is None else list(kind.fields).index(rule.field)
        empty = _literal(0.0 if rule is None else rule.value)
        n_fields = len(kind.fields)
        rows.append(f"{{{kind.slots}, {guard}, {empty}, {n_fields}, fields_{number}}},")
    yield "    static const Collection all[n_collections] = {"
    yield from (f"        {row}" for row in rows)
    yield "    };"


#: Of a port that takes the hardware values.
_PLAIN_PORT = (
    "constexpr std::size_t n_port_numbers = n_values;",
    "",
    "inline void port_numbers(const Event &event, double numbers[n_port_numbers]) {",
    "    to_hardware(event, numbers);",
    "}",
)


def _packed_port(front_end: FrontEnd) -> Iterator[str]:
    """Of ports of words: each word in parts of 32 bits, the low one first."""
    kinds = list(front_end.collections.values())
    n_parts = [-(-(kind.word_bits or 0) // 32) for kind in kinds]
    total = sum(kind.slots * parts for kind, parts in zip(kinds, n_parts, strict=True))
    yield f"constexpr std::size_t n_port_numbers = {total};"
    yield ""
    yield "inline void port_numbers(const Event &event, double numbers[n_port_numbers]) {"
    yield "    // Of each field the lowest bit in its word."
    for number, kind in enumerate(kinds):
        places = ", ".join(str(field.low_bit) for field in kind.fields.values())
        yield f"    static const unsigned places_{number}[] = {{{places}}};"
    names = ", ".join(f"places_{number}" for number in range(len(kinds)))
    yield f"    static const unsigned *const places[] = {{{names}}};"
    yield f"    static const unsigned n_parts[] = {{{', '.join(map(str, n_parts))}}};"
    yield from _PACKED_LOOP


_PACKED_LOOP = """\
    std::int64_t integers[n_values];
    to_integers(event, integers);
    const std::int64_t *next = integers;
    for (std::size_t i = 0; i < detail::n_collections; i++) {
        const detail::Collection &kind = detail::collections()[i];
        for (std::size_t slot = 0; slot < kind.slots; slot++) {
            std::uint64_t word = 0;
            for (std::size_t j = 0; j < kind.n_fields; j++) {
                const std::uint64_t bits = static_cast<std::uint64_t>(*next++);
                word |= (bits & ((std::uint64_t(1) << kind.fields[j].width) - 1)) << places[i][j];
            }
            for (unsigned part = 0; part < n_parts[i]; part++)
                *numbers++ = static_cast<double>((word >> (32 * part)) & 0xffffffffu);
        }
    }
}""".splitlines()


def _field_row(group: str, field: WireField) -> str:
    form = field.format
    assert form is not None  # of the caller, who asked for formats
    values = [
        f'"{group}"',
        _literal(field.last_bit.value),
        str(form.width),
        "true" if form.signed else "false",
        _literal(2.0**form.fractional),
        f"Rounding::{_ROUNDINGS[form.rounding]}",
        f"Overflow::{_OVERFLOWS[form.overflow]}",
        _literal(float(field.turn or 0) if field.goes_round else 0.0),
    ]
    return f"{{{', '.join(values)}}},"


def _literal(value: float) -> str:
    """A number that C++ reads as the same double."""
    limits = "std::numeric_limits<double>"
    if math.isnan(value):
        return f"{limits}::quiet_NaN()"
    if math.isinf(value):
        return f"{'-' if value < 0 else ''}{limits}::infinity()"
    text = f"{value:.17g}"
    return text if any(mark in text for mark in ".e") else f"{text}.0"
