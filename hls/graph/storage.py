"""Graphs as files: JSON that names the layers, beside their arrays, in one npz without a pickle."""

from __future__ import annotations

import dataclasses
import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

import hls.graph.layers  # noqa: F401  registers the layers
from hls.graph.layer import LAYERS, Layer
from hls.graph.node import Node
from keras_ae.errors import InputError
from keras_ae.fixed_point import FixedPointFormat

G = TypeVar("G")

#: Raised when the meaning of the file changes.
_FORMAT = 1
_DESCRIPTION = "graph"


def write_nodes(
    path: Path, nodes: Sequence[Node], inputs: Sequence[str], outputs: Sequence[str]
) -> None:
    """Write a graph into `path`, which is replaced.

    Raises:
        InputError: a layer that could not be read again: not registered, or with a field that is
            none of those which `Layer` names.
    """
    arrays: dict[str, np.ndarray] = {}
    content = {
        "format": _FORMAT,
        "inputs": list(inputs),
        "outputs": list(outputs),
        "layers": [{**_encoded(node.layer, arrays), "inputs": list(node.inputs)} for node in nodes],
    }
    arrays[_DESCRIPTION] = np.array(json.dumps(content))
    with path.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def read_graph(path: Path, make: Callable[..., G]) -> G:
    """What `make` makes of the nodes, the names of the inputs and of the outputs in a file.

    Raises:
        FileNotFoundError: there is no such file.
        InputError: it is damaged, of another version, or of layers that are not registered.
    """
    if not path.is_file():
        raise FileNotFoundError(f"trigger graph not found: {path}")
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            content = json.loads(str(file[_DESCRIPTION]))
            if content["format"] != _FORMAT:
                raise InputError(
                    f"format must be {_FORMAT}, got {content['format']}: 'keras-ae convert' writes "
                    "it again"
                )
            nodes = tuple(
                Node(_decoded(layer, file), tuple(map(str, layer["inputs"])))
                for layer in content["layers"]
            )
        return make(nodes, tuple(content["inputs"]), tuple(content["outputs"]))
    except InputError as error:
        raise InputError(f"{path} must be a trigger graph: {error}") from error
    # Whatever a file holds that this package did not write.
    except (
        *(ValueError, LookupError, TypeError, AttributeError, OSError, EOFError),
        zipfile.BadZipFile,
    ) as error:
        raise InputError(
            f"{path} must be a trigger graph saved by keras-ae, got a damaged one: "
            f"{str(error)[:200]}; 'keras-ae convert' writes that of a run again"
        ) from error


def _encoded(layer: Layer, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """A layer's kind and fields as JSON has them; its arrays go into `arrays`."""
    kind = type(layer).__name__
    if LAYERS.get(kind) is not type(layer):
        rule = "a layer must be registered, so that it can be read again"
        layer.require(False, rule, kind, "put @register() before its class")

    def encoded(name: str, value: Any) -> Any:
        if isinstance(value, FixedPointFormat):
            return {"format": str(value)}
        if isinstance(value, np.ndarray) and value.dtype.kind in "fiub":
            arrays[f"{layer.name}/{name}"] = value
            return {"array": f"{layer.name}/{name}"}
        if isinstance(value, tuple):
            return [encoded(f"{name}_{index}", part) for index, part in enumerate(value)]
        rule = f"field {name} must be text, a number, a format, an array of numbers, or of these"
        fits = value is None or isinstance(value, str | bool | int | float)
        layer.require(fits, rule, type(value).__name__, "keep what a layer is made of in these")
        return value

    fields = {f.name: encoded(f.name, getattr(layer, f.name)) for f in dataclasses.fields(layer)}
    return {"kind": kind, "fields": fields}


def _decoded(content: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Layer:
    """The opposite."""
    kind = content["kind"]
    if kind not in tuple(LAYERS):
        raise InputError(
            f"layer must be one of {', '.join(LAYERS)}, got {kind!r}: import the module that "
            "registers it"
        )

    def decoded(value: Any) -> Any:
        if isinstance(value, dict):
            if "format" in value:
                return FixedPointFormat.parse(value["format"])
            return np.asarray(arrays[value["array"]])
        return tuple(map(decoded, value)) if isinstance(value, list) else value

    return LAYERS[kind](**{name: decoded(value) for name, value in content["fields"].items()})
