"""A layer of a trigger graph: one class says everything about it.

What it computes, exactly (`exact`) and in Keras (`in_keras`); which values come out (`grid`); the
same as logic (`trace`), from which RTL is written; and, as data, how it is written in C++ (`cpp`)
and what its logic costs (`count`, `live`). A layer without one of these is refused where that is
needed. Nothing here knows TensorFlow, hls4ml or da4ml.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, TypeVar

import numpy as np

from hls.graph.counting import Counted, Signal
from hls.graph.grid import Grid
from hls.graph.refusal import Refusal
from keras_ae.errors import InputError
from keras_ae.fixed_point import FixedPointFormat

if TYPE_CHECKING:
    import keras

#: Layers by the name of their class, as a stored graph names them.
LAYERS: dict[str, type[Layer]] = {}

#: Class in Keras or QKeras, where it can be imported from -> the layer that it becomes.
KERAS_LAYERS: dict[str, type[Layer]] = {}

_L = TypeVar("_L", bound="type[Layer]")


def register(*keras_layers: str) -> Callable[[_L], _L]:
    """Make a layer known: to stored graphs by its name, and for Keras' classes that become it.

    A class that is defined anew, as by a notebook cell that is run again, takes its own place.

    Args:
        keras_layers: where these classes can be imported from, such as `keras.layers.Add`; their
            layers are handed to `from_keras`.

    Raises:
        InputError: no layer; or another one has this name, or is there for one of the classes.
    """

    def add(layer: _L) -> _L:
        if not (isinstance(layer, type) and issubclass(layer, Layer)):
            raise InputError(f"what is registered must be a class of Layer, got {layer!r}")
        others = [LAYERS.get(layer.__name__), *map(KERAS_LAYERS.get, keras_layers)]
        for name, other in zip((layer.__name__, *keras_layers), others, strict=True):
            if other is not None and _place(other) != _place(layer):
                raise InputError(
                    f"layer of the name {name} must be registered once, but {_place(other)} is "
                    f"there already: choose another name than for {_place(layer)}"
                )
        LAYERS[layer.__name__] = layer
        KERAS_LAYERS.update(dict.fromkeys(keras_layers, layer))
        return layer

    return add


def _place(layer: type[Layer]) -> str:
    """Where a class is defined."""
    return f"{layer.__module__}.{layer.__qualname__}"


@dataclass(frozen=True)
class CppForm:
    """How a layer is written in C++.

    Args:
        kind: of hls4ml's node; `TriggerLogic` is ours, a call of a C++ function.
        attributes: of that node, see `hls.cpp.nodes` for those of ours.
        constants: arrays by their role, such as `weight`: in the project they are called
            NAME_ROLE.
        header: file with the C++ function, where it is not in `nnet_trigger.h`.
    """

    kind: str
    attributes: Mapping[str, Any] = field(default_factory=dict)
    constants: Mapping[str, np.ndarray] = field(default_factory=dict)
    header: Path | None = None


@dataclass(frozen=True)
class Place:
    """A layer in its graph, as its cost is counted: what comes in and what goes out.

    Depths of `out` are yet to be found. `from_kernel`: the first input is a sum of products by
    weights.
    """

    out: Signal
    inputs: tuple[Signal, ...]
    from_kernel: bool = False

    @property
    def x(self) -> Signal:
        """The first input, for most layers the only one."""
        return self.inputs[0]


@dataclass(frozen=True)
class Example:
    """A layer, and the formats and shapes of what it takes: what the tests of every layer use."""

    layer: Layer
    inputs: tuple[tuple[FixedPointFormat, tuple[int, ...]], ...]


@dataclass(frozen=True, eq=False)
class Layer(ABC):
    """One layer, wherever it stands; frozen, and its fields are what a stored graph holds of it.

    Fields are text, numbers, formats, arrays, or tuples of these; a format may be given as text.
    """

    #: By default that of its class, in small letters.
    name: str = field(default="", kw_only=True)

    #: Whether Keras computes it in float32; else in float64.
    in_float32: ClassVar[bool] = True
    #: How many inputs it takes; None for any number.
    n_inputs: ClassVar[int | None] = 1
    #: Whether a layer of Keras that takes more than two becomes several that join two each.
    joins_pairs: ClassVar[bool] = False
    #: Whether it only gives values another shape: hls4ml looks through it.
    only_reshapes: ClassVar[bool] = False
    #: Whether its values are sums of products by weights.
    has_kernel: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise InputError(f"name of a layer must be text, got {self.name!r}")
        if not self.name:
            words = re.sub(r"(?<!^)(?=[A-Z])", "_", type(self).__name__)
            object.__setattr__(self, "name", words.lower())
        for part in fields(self):
            value = _as_field(str(part.type), getattr(self, part.name))
            object.__setattr__(self, part.name, value)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Such layers, on which the contract suite asks all that a layer promises."""
        raise NotImplementedError(f"{cls.__name__} must have examples")

    # What it computes --------------------------------------------------------------------------

    @abstractmethod
    def exact(self, *inputs: np.ndarray) -> np.ndarray:
        """Its function on arrays (events, ...), of a type in which it is exact."""

    @abstractmethod
    def grid(self, *inputs: Grid) -> Grid:
        """Which values it gives for values of `inputs`."""

    def check_inputs(self, *inputs: Grid) -> None:
        """Raise Refusal where inputs, as many as it takes, have shapes that it does not take."""
        return

    def require(self, holds: bool, rule: str, value: object, remedy: str) -> None:
        """Raise Refusal, in the name of the layer, unless a rule holds."""
        if not holds:
            raise Refusal(self.name, rule, value, remedy)

    def grid_in_graph(self, *inputs: Grid) -> Grid:
        """The same where it stands in a graph: perhaps of more values than `inputs` are."""
        return self.grid(*inputs)

    def trace(self, *inputs: Any) -> Any:
        """Its function on symbolic arrays of one event, without the axis of events."""
        self._has_no("form as logic", "trace")

    # In Keras ----------------------------------------------------------------------------------

    @classmethod
    def from_keras(cls, layer: keras.Layer) -> Layer | tuple[Layer, ...]:
        """Of a layer of one of the classes that it is registered for, or of such an operation.

        It may become a chain of layers, each on the output of the one before: the last has the
        name of Keras' layer, names of the others begin with it. An empty chain is of a layer that
        does nothing at inference.

        Raises:
            Refusal: options without an exact form.
        """
        return cls(name=layer.name)

    def to_keras(self) -> keras.Layer:
        """A new layer of Keras; by default one that calls `in_keras`."""
        from hls.graph.keras_layers import GraphLayer

        return GraphLayer(self)

    @property
    def keras_weights(self) -> list[np.ndarray]:
        """Of that layer."""
        return []

    def in_keras(self, ops: Any, *inputs: Any) -> Any:
        """Its function on tensors (batch, ...), by `keras.ops`."""
        self._has_no("form in Keras", "to_keras or in_keras")

    def __call__(self, inputs: Any) -> Any:
        """Of Keras tensors, to build a graph by hand."""
        return self.to_keras()(inputs)

    # As C++ and as cost ------------------------------------------------------------------------

    def cpp(self, inputs: Sequence[Grid], out: Grid) -> CppForm:
        """How it is written in C++, where it stands between values of these grids."""
        self._has_no("form in C++", "cpp")

    def count(self, at: Place) -> Counted:
        """Its logic, and how deep each value of its output is."""
        self._has_no("cost", "count")

    def live(self, out: np.ndarray, shapes: Sequence[tuple[int, ...]]) -> list[np.ndarray]:
        """Which values of the inputs, of `shapes`, the values `out` of the output are made of."""
        self._has_no("cost", "live")

    def traced_grid(self, *inputs: Grid) -> Grid:
        """Which values the tracer takes for possible: perhaps more than there are."""
        return self.grid_in_graph(*inputs)

    def _has_no(self, what: str, methods: str) -> NoReturn:
        kind = type(self).__name__
        raise Refusal(
            self.name, f"a layer must have a {what} here", f"{kind} without", f"write its {methods}"
        )


@register()
@dataclass(frozen=True, eq=False)
class GraphInput(Layer):
    """An input of the trigger: fixed-point numbers of a stated format, of the shape of an event."""

    form: FixedPointFormat
    shape: tuple[int, ...]

    n_inputs: ClassVar[int | None] = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        # Which values come in; how they were rounded is no matter here.
        object.__setattr__(self, "form", self.form.values)
        sizes = bool(self.shape) and min(self.shape) > 0
        self.require(sizes, "shape must be of sizes >= 1", self.shape, "give that of one event")

    def exact(self, *inputs: np.ndarray) -> np.ndarray:
        return inputs[0]

    def grid(self, *inputs: Grid) -> Grid:
        return Grid.of(self.form, self.shape)

    def cpp(self, inputs: Sequence[Grid], out: Grid) -> CppForm:
        # Trusted: the type comes from the configuration, not from what the next layer can use.
        return CppForm("InputLayer", {"input_shape": list(self.shape), "trusted": True})

    def to_keras(self) -> keras.Layer:
        from hls.graph.keras_layers import HardwareInput

        return HardwareInput(self.shape, str(self.form), name=self.name)


def require_image(layer: Layer, *inputs: Grid) -> None:
    """Raise Refusal unless the inputs are images (rows, columns, channels)."""
    for x in inputs:
        layer.require(
            len(x.shape) == 3,
            "input must be an image of shape (rows, columns, channels)",
            x.shape,
            "reshape it",
        )


def _as_field(kind: str, value: Any) -> Any:
    """A value as a field of a layer of that type holds it."""
    if kind.startswith("tuple") and isinstance(value, str | FixedPointFormat):
        # One alone.
        value = (value,)
    if isinstance(value, list | tuple) and "ndarray" not in kind:
        return tuple(_as_field(kind.removeprefix("tuple"), part) for part in value)
    if "FixedPointFormat" in kind and not (
        isinstance(value, FixedPointFormat) or (value is None and "None" in kind)
    ):
        return FixedPointFormat.parse(value)
    if "ndarray" in kind and value is not None:
        return np.asarray(value)
    return value.item() if isinstance(value, np.generic) else value
