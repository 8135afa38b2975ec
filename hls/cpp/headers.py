"""Files of C++ that layers bring themselves, put beside hls4ml's."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from hls.graph.layer_graph import LayerGraph
from hls.graph.refusal import Refusal

_RENAME = "give it another name"


def headers_of(graph: LayerGraph) -> dict[str, Path]:
    """By the layer that brings it, the first of several, each header of a graph.

    Raises:
        Refusal: a header that is not there, of a layer that calls no function of its own, or of
            another content than one of the same name.
    """
    found: dict[str, Path] = {}
    owners: dict[str, str] = {}
    for node in graph.nodes:
        form, name = graph.cpp(node), node.name
        header = form.header
        if header is None:
            continue
        if form.kind != "TriggerLogic":
            rule = "a layer with a header must be of kind 'TriggerLogic', which calls its function"
            raise Refusal(name, rule, f"'{form.kind}'", "leave the header out")
        if not header.is_file():
            raise Refusal(name, "header must be a file", header, "write it")
        owner = owners.setdefault(header.name, name)
        if owner == name:
            found[name] = header
        elif header.read_bytes() != found[owner].read_bytes():
            rule = f"header '{header.name}' must be that of layer '{owner}', which has its name"
            raise Refusal(name, rule, "another content", _RENAME)
    return found


def add_headers(headers: Mapping[str, Path], folder: Path) -> list[Path]:
    """Copies of the headers in `folder`, that of hls4ml's.

    Raises:
        Refusal: one is named like a file that is there.
    """
    copies = []
    for layer, header in headers.items():
        copy = folder / header.name
        if copy.exists():
            rule = "header must not be named like one of hls4ml or of this package"
            raise Refusal(layer, rule, f"'{header.name}'", _RENAME)
        shutil.copyfile(header, copy)
        copies.append(copy)
    return copies
