"""One factor and one offset for each channel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hls.graph.counting import Counted, Logic
from hls.graph.grid import Grid
from hls.graph.layer import CppForm, Example, Layer, Place, register
from hls.graph.refusal import Refusal
from hls.graph.shift_add import signed_digits
from keras_ae.fixed_point import FixedPointFormat

if TYPE_CHECKING:
    import keras

#: A constant has at most as many bits from its first to its last: those of float64.
_MANTISSA = 53


@register(
    "keras.layers.Rescaling",
    "keras.layers.BatchNormalization",
    "keras.layers.Multiply",
    # Of operators on tensors of Keras, which has no public names for them.
    "keras.src.ops.numpy.Multiply",
    "keras.src.ops.numpy.TrueDivide",
    "keras.src.ops.numpy.Divide",
    "keras.src.ops.numpy.Negative",
)
@dataclass(frozen=True, eq=False)
class Rescaling(Layer):
    """x scale + offset, of constants that are one number or one for each channel, the last axis."""

    scale: np.ndarray
    offset: np.ndarray

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("scale", "offset"):
            given = getattr(self, name)
            self.require(
                given.dtype.kind in "fiu" and bool(np.isfinite(given).all()),
                f"{name} must hold finite real numbers",
                f"others, of type {given.dtype}" if given.size > 1 else given.item(),
                "choose others",
            )
            # Axes before the last must be of length one.
            if given.shape[-1:] in ((), (given.size,)):
                object.__setattr__(self, name, given.astype(np.float64).ravel())
        shapes = self.scale.shape, self.offset.shape
        fits = all(len(shape) == 1 and shape[0] > 0 for shape in shapes)
        fits = fits and len({n for (n,) in shapes if n > 1}) < 2
        rule = "scale and offset must be one number, or one for each channel, the last axis"
        self.require(fits, rule, shapes, "give so many")

    @classmethod
    def from_keras(cls, layer: keras.Layer) -> Layer:
        """See `Layer`; a batch normalization as at inference, its constants in float32."""
        import keras

        from hls.graph.keras_options import constant_of, operands_of, require_last_axis

        if isinstance(layer, keras.layers.BatchNormalization):
            require_last_axis(layer)
            return cls(*_folded(layer), name=layer.name)
        if isinstance(layer, keras.layers.Rescaling):
            scale, offset = (constant_of(layer, part) for part in (layer.scale, layer.offset))
            return cls(np.asarray(scale), np.asarray(offset), name=layer.name)
        zero, kind = np.zeros(1), type(layer).__name__
        operands = operands_of(layer)
        if kind == "Negative":
            return cls(-np.ones(1), zero, name=layer.name)
        constants = [constant_of(layer, part) for part in operands]
        if "Divide" in kind:
            return cls(_inverse(layer.name, constants), zero, name=layer.name)
        found = [part for part in constants if part is not None]
        if not found:
            rule, remedy = "a factor must be a constant", "let a layer of weights join the two"
            raise Refusal(layer.name, rule, f"{len(operands)} tensors", remedy)
        return cls(found[0], zero, name=layer.name)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        form, image = FixedPointFormat(6, 2), (2, 2, 3)
        factors = np.array([0.75, -1.375, 0.0]), np.array([-2.0])
        return (
            Example(cls(factors[0], np.array([0.5, -3.25, 1.0])), ((form, (3,)),)),
            Example(cls(factors[0], np.array([0.15625])), ((form, image),)),
            Example(cls(factors[1], np.zeros(1)), ((FixedPointFormat(5, 1, False), image),)),
        )

    def check_inputs(self, *inputs: Grid) -> None:
        (x,) = inputs
        n = max(len(self.scale), len(self.offset))
        rule = f"input must have {n} channels, the numbers of scale or offset"
        self.require(n in (1, x.shape[-1]), rule, x.shape, "give one for each channel")

    def in_keras(self, ops: Any, *inputs: Any) -> Any:
        (x,) = inputs
        constants = self.scale, self.offset
        if all(np.array_equal(part, part.astype(np.float32)) for part in constants):
            scale, offset = (ops.cast(part, x.dtype) for part in constants)
        else:
            x = ops.cast(x, "float64")
            scale, offset = constants
        return x * scale + offset

    def exact(self, *inputs: np.ndarray) -> np.ndarray:
        (x,) = inputs
        return np.asarray(x * self.scale.astype(x.dtype) + self.offset.astype(x.dtype))

    def grid(self, *inputs: Grid) -> Grid:
        (x,) = inputs
        steps = _last_bits(self.scale), _last_bits(self.offset)
        # Where neither counts, any step holds zero.
        step = np.minimum(x.step * steps[0], steps[1])
        step = np.where(np.isinf(step), x.step, step)
        ends = np.sort([x.low * self.scale, x.high * self.scale], axis=0) + self.offset
        reach = np.maximum(np.maximum(-x.low, x.high), x.step)
        largest = reach * np.abs(self.scale) + np.abs(self.offset)
        # What float64 has rounded down to 2^53 units is more.
        return Grid(step, ends[0], ends[1], float(np.nextafter(largest.max(), np.inf)))

    def trace(self, *inputs: Any) -> Any:
        (x,) = inputs
        constants = (np.broadcast_to(part, x.shape).ravel() for part in (self.scale, self.offset))
        values = [
            value * float(scale) + float(offset)
            for value, scale, offset in zip(x.ravel(), *constants, strict=True)
        ]
        return type(x)(np.array(values).reshape(x.shape))

    def cpp(self, inputs: Sequence[Grid], out: Grid) -> CppForm:
        n = max(len(self.scale), len(self.offset))
        constants = {
            name: np.broadcast_to(getattr(self, name), (n,)).copy() for name in ("scale", "offset")
        }
        attributes = {
            "function": "rescale",
            "output_kif": out.kif,
            "config": {"n_channels": n},
            "constant_formats": {name: str(_format(part)) for name, part in constants.items()},
        }
        return CppForm("TriggerLogic", attributes, constants)

    def count(self, at: Place) -> Counted:
        """A tree of the digits of the factor, and the offset."""
        live = (at.x.bits > 0) & (at.out.bits > 0)
        digits = np.broadcast_to(_digits(self.scale), live.shape) * live
        adders = np.maximum(digits - 1, 0) + (live & (self.offset != 0))
        depth = np.ceil(np.log2(np.maximum(digits, 1))) + (self.offset != 0)
        bits = float((adders * at.out.bits).sum())
        return Logic(adder_bits=bits), at.x.depth + depth

    def live(self, out: np.ndarray, shapes: Sequence[tuple[int, ...]]) -> list[np.ndarray]:
        return [out & (self.scale != 0)]


def _folded(layer: keras.Layer) -> tuple[np.ndarray, np.ndarray]:
    """Factor and offset of a batch normalization, each rounded once from float64."""
    from keras_ae.weights import batch_norm_constants

    with np.errstate(all="ignore"):
        # Whatever is not finite is refused by the layer.
        factor, offset = batch_norm_constants(layer)
        return factor.astype(np.float32), offset.astype(np.float32)


def _inverse(name: str, constants: Sequence[np.ndarray | None]) -> np.ndarray:
    """Of a divisor; raises Refusal unless it is a constant of powers of two."""
    dividend, divisor = constants
    rule, remedy = "divisor must be a constant power of two", "multiply by a constant instead"
    if dividend is not None or divisor is None:
        raise Refusal(name, rule, "a tensor", remedy)
    if not np.isin(np.frexp(divisor)[0], (0.5, -0.5)).all():
        raise Refusal(name, rule, " ".join(f"{value:g}" for value in divisor.ravel()[:9]), remedy)
    return 1 / divisor


def _units(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Odd integers and exponents of two whose products are the values; zero is 0, 0."""
    mantissas, exponents = np.frexp(values)
    units = (mantissas * 2.0**_MANTISSA).astype(np.int64)
    n_zeros = np.frexp((units & -units).astype(np.float64))[1] - 1
    n_zeros = np.where(units == 0, 0, n_zeros)
    return units >> n_zeros, np.where(units == 0, 0, exponents - _MANTISSA + n_zeros)


def _last_bits(values: np.ndarray) -> np.ndarray:
    """Infinite for zero."""
    units, exponents = _units(values)
    return np.where(units == 0, np.inf, 2.0**exponents)


def _digits(values: np.ndarray) -> np.ndarray:
    """How many digits 1 or -1 each has in canonical form."""
    return signed_digits(_units(values)[0])


def _format(values: np.ndarray) -> FixedPointFormat:
    """The narrowest that holds all, of two bits at least: ac_fixed has none of one."""
    step = float(np.min(_last_bits(values), initial=1.0))
    grid = Grid(np.full(values.shape, step), np.minimum(values, 0), np.maximum(values, 0))
    form = grid.format
    if form.width > 1:
        return form
    return FixedPointFormat(2, form.integer + 1, form.signed)
