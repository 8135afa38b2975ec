"""Graphs as files: JSON that names the layers, beside their arrays, in one npz without a pickle."""

from __future__ import annotations

import dataclasses
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

# Registered when they are imported.
from hls.graph.exact import Node
from hls.graph.layer import LAYERS, Layer
from keras_ae.errors import InputError
from keras_ae.fixed_point import FixedPointFormat

#: Raised when the meaning of the file changes.
_FORMAT = 1
_DESCRIPTION = "graph"


def write_nodes(
    path: Path, nodes: Sequence[Node], inputs: Sequence[str], outputs: Sequence[str]
) -> None:
    """Write a graph into `path`, which is replaced."""
    arrays: dict[str, np.ndarray] = {}
    content = {
        "format": _FORMAT,
        "inputs": list(inputs),
        "outputs": list(outputs),
        "layers": [
            {**layer_as_dict(node.layer, arrays), "inputs": list(node.inputs)} for node in nodes
        ],
    }
    arrays[_DESCRIPTION] = np.array(json.dumps(content))
    with path.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def read_nodes(path: Path) -> tuple[tuple[Node, ...], tuple[str, ...], tuple[str, ...]]:
    """What `write_nodes` wrote: nodes, names of inputs and of outputs.

    Raises:
        FileNotFoundError: there is no such file.
        InputError: it is damaged, or of another version.
    """
    if not path.is_file():
        raise FileNotFoundError(f"trigger graph not found: {path}")
    try:
        with np.load(path, allow_pickle=False) as file:
            content = json.loads(str(file[_DESCRIPTION]))
            if content["format"] != _FORMAT:
                raise InputError(
                    f"{path} must be a trigger graph of format {_FORMAT}, got "
                    f"{content['format']}: 'keras-ae convert' writes it again"
                )
            nodes = tuple(
                Node(layer_from_dict(layer, file), tuple(layer["inputs"]))
                for layer in content["layers"]
            )
        return nodes, tuple(content["inputs"]), tuple(content["outputs"])
    except (ValueError, KeyError, TypeError, OSError, zipfile.BadZipFile) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{path} must be a trigger graph saved by keras-ae, got a damaged one: "
            f"{str(error)[:200]}"
        ) from error


def layer_as_dict(layer: Layer, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """A layer's kind and fields as JSON has them; its arrays go into `arrays`."""

    def encoded(name: str, value: Any) -> Any:
        if isinstance(value, FixedPointFormat):
            return {"format": str(value)}
        if isinstance(value, np.ndarray):
            arrays[f"{layer.name}/{name}"] = value
            return {"array": f"{layer.name}/{name}"}
        if isinstance(value, tuple):
            return [encoded(f"{name}_{index}", part) for index, part in enumerate(value)]
        return value

    fields = {f.name: encoded(f.name, getattr(layer, f.name)) for f in dataclasses.fields(layer)}
    return {"kind": type(layer).__name__, "fields": fields}


def layer_from_dict(content: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Layer:
    """The opposite.

    Raises:
        InputError: a kind that is not registered.
        KeyError, TypeError, ValueError: what no layer wrote.
    """
    kind = content["kind"]
    if kind not in LAYERS:
        raise InputError(f"layer must be one of {', '.join(LAYERS)}, got {kind!r}")

    def decoded(value: Any) -> Any:
        if isinstance(value, dict):
            if "format" in value:
                return FixedPointFormat.parse(value["format"])
            return np.asarray(arrays[value["array"]])
        return tuple(map(decoded, value)) if isinstance(value, list) else value

    return LAYERS[kind](**{name: decoded(value) for name, value in content["fields"].items()})
