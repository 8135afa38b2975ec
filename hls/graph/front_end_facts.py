"""What the values of an input are, by name: for interface files, and for those who take it over."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hls.graph.facts import table_row
from hls.graph.trigger_graph import TriggerGraph
from keras_ae.front_end.fields import ObjectCollection, WireField
from keras_ae.front_end.front_end import Column, FrontEnd

#: What holds of every front end; interface files say it to those who only have the file.
RULES = {
    "place": "value of field f in slot s is number first + s * stride of an event, counted from 0",
    "packed": "where true, a port of each collection's name takes its words, slot by slot, each in"
    " parts of 32 bits, the low one first; a field's lowest bit is bit low_bit of the word",
    "value": "physical value / last_bit in float64, rounded to format by rounding and overflow",
    "last_bit_value": "last_bit as float64, in 17 digits, which read back to the same number",
    "rounding": "RND_CONV half to even, RND half up, TRN down",
    "overflow": "SAT the nearest end of the format, WRAP modulo its range, TURN modulo turn",
    "turn": "a full angle in units of 1; null where the field is no angle",
    "empty": "a slot is zero in all its values where the rule holds of its physical values, and"
    " where the field of the rule becomes zero or less",
    "order": "in an event filled slots come first, those of the largest value of the field `order`"
    " before others",
}


def project_facts(graph: TriggerGraph, front_end: FrontEnd | None) -> dict[str, Any]:
    """What the interface file of HLS and that of RTL say beside the ports."""
    score = graph.score_names[0]
    facts: dict[str, Any] = {
        "decision": f"{score} > threshold",
        "threshold": "input" if graph.decision.from_input else graph.threshold,
    }
    if len(graph.thresholds) > 1:
        facts["thresholds"] = {
            name: {"is": "input" if graph.node(name).inputs[1:] else "constant", "value": limit}
            for name, limit in graph.thresholds.items()
        }
    return facts if front_end is None else {**facts, "front_end": describe_front_end(front_end)}


def describe_front_end(front_end: FrontEnd) -> dict[str, Any]:
    """What the values of an event are, as the interface files of HLS and RTL have it.

    Under `fields` each field once, with the numbers of its first value, of how far the next slot's
    is, and of how many there are; under `collections` what its slots have in common. A last bit is
    given as its expression and in 17 digits, as text; `rules` say how to read all that.
    """
    image = front_end.image
    return {
        "kind": "image" if image else "objects" if front_end.objects else "features",
        "n_values": front_end.n_values,
        "shape": list(front_end.event_shape),
        "packed": front_end.packed,
        "rules": RULES,
        "collections": [
            _described_collection(name, kind, front_end) for name, kind in front_end.objects.items()
        ],
        "fields": [_described_field(column, front_end) for column in _first_columns(front_end)],
    }


def order_of_values(graph: TriggerGraph, front_end: FrontEnd | None) -> list[str]:
    """Lines in Markdown that say which value of an input is what."""
    if front_end is not None:
        return order_of_front_end(front_end)
    lines = []
    for port in graph.interface.inputs:
        if port.shape is not None and len(port.shape) == 3:  # height, width, channels
            shape = " x ".join(map(str, port.shape))
            lines.append(
                f"An image of {shape} (height, width, channels): row by row, pixel by pixel."
            )
    return lines or ["As in the model's input."]


def order_of_front_end(front_end: FrontEnd) -> list[str]:
    """Lines in Markdown that say which value of an event is what."""
    lines = []
    if front_end.image is not None:
        shape = " x ".join(map(str, front_end.image.shape))
        lines += [
            f"An image of {shape} (height, width, channels): row by row, pixel by pixel.",
            "",
        ]
    if front_end.objects:
        lines += [
            "Collection by collection, slot by slot, field by field. A slot is empty where its",
            "rule holds, and where the field of that rule becomes zero or less: then it is zero in",
            "all its numbers.",
            "",
            table_row("values", "slots", "fields of each", "empty where", "order"),
            "|---|---|---|---|---|",
            *_rows_of_collections(front_end),
            "",
        ]
    lines += [
        "A value is the physical one divided by the last bit, rounded to the format: RND_CONV half",
        "to even, RND half up, TRN down; beyond it SAT takes the nearest end, WRAP the value",
        "modulo the range, TURN the angle modulo a full one.",
        "",
        table_row("field", "values", "unit", "last bit", "format", "rounding", "overflow"),
        "|---|---|---|---|---|---|---|",
        *(_row_of_field(column, front_end) for column in _first_columns(front_end)),
    ]
    return lines


def _first_columns(front_end: FrontEnd) -> list[Column]:
    """Of each field, that of its first slot."""
    return [column for column in front_end.columns if column.slot == 0]


def _stride(column: Column, front_end: FrontEnd) -> int:
    return len(front_end.collections[column.collection].fields)


def _described_collection(name: str, kind: ObjectCollection, front_end: FrontEnd) -> dict[str, Any]:
    first = next(column.index for column in front_end.columns if column.collection == name)
    return {
        "name": name,
        "first": first,
        "slots": kind.slots,
        "stride": len(kind.fields),
        "empty": kind.empty,
        "order": kind.order,
        "word_bits": kind.word_bits,
    }


def _described_field(column: Column, front_end: FrontEnd) -> dict[str, Any]:
    """A field; what it does not have is null."""
    field = column.field
    return {
        "name": column.group,
        "first": column.index,
        "stride": _stride(column, front_end),
        "count": column.n_slots,
        "unit": field.unit or None,
        "last_bit": str(field.last_bit),
        "last_bit_value": f"{field.last_bit.value:.17g}",
        **_described_format(field),
        "turn": field.turn,
        "low_bit": field.low_bit,
    }


def _described_format(field: WireField) -> dict[str, str | None]:
    form = field.format
    return {
        "format": None if form is None else str(form.values),
        "rounding": None if form is None else form.rounding,
        "overflow": None if form is None else "TURN" if field.goes_round else form.overflow,
    }


def _rows_of_collections(front_end: FrontEnd) -> Iterator[str]:
    for name, kind in front_end.objects.items():
        columns = [column.index for column in front_end.columns if column.collection == name]
        yield table_row(
            _span(columns[0], columns[-1]),
            f"`{name}`" if kind.slots == 1 else f"`{name}` 0 to {kind.slots - 1}",
            ", ".join(f"`{label}`" for label in kind.fields),
            f"`{kind.empty}`" if kind.empty else "",
            f"`{kind.order}`, the largest first" if kind.order else "",
        )


def _row_of_field(column: Column, front_end: FrontEnd) -> str:
    field, stride = column.field, _stride(column, front_end)
    places = [str(column.index + stride * slot) for slot in range(column.n_slots)]
    if stride == 1 or len(places) > 3:
        places[1:-1] = []
    between = " to " if stride == 1 else f", {column.index + stride}, … "
    said = [cell or "that of the port" for cell in _described_format(field).values()]
    expression, digits = str(field.last_bit), f"{field.last_bit.value:.17g}"
    last_bit = expression if expression == digits else f"{expression} = {digits}"
    # What is between bars is a cell.
    unit = field.unit.replace("|", "/")
    return table_row(f"`{column.group}`", between.join(places), unit, last_bit, *said)


def _span(first: int, last: int) -> str:
    return str(first) if first == last else f"{first} to {last}"
