"""Where a plain Keras model is rounded once it is in fixed point."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import keras
import numpy as np
from keras import layers as stock

from keras_ae.errors import InputError
from keras_ae.fixed_point import FixedPointFormat
from keras_ae.flat_model import FlatModel, Step, flatten_model
from keras_ae.precision import is_quantizer
from keras_ae.twin_formats import TwinFormats
from keras_ae.twin_layers import KERNELS, MOVING, Kind, layer_kind, refused
from keras_ae.weights import fold_batch_norm


@dataclass(frozen=True, eq=False)
class Place:
    """A tensor of the model that its twin has, too.

    Attributes:
        name: of the layer that gives it.
        layer: that one; the layer with the weights where a batch normalization is folded.
        sources: names of the places that it is computed from.
        kind: of the layer.
        weights: name by which formats of the layer's weights are given.
        norm: batch normalization that is folded into the weights.
        rectified: whether a ReLU is what comes last.
        default: which of the formats for all places it is rounded to; None where it is not.
    """

    name: str
    layer: keras.Layer
    sources: tuple[str, ...]
    kind: Kind
    weights: str = ""
    norm: keras.layers.BatchNormalization | None = None
    rectified: bool = False
    default: Literal["input", "activation", "output"] | None = None

    @cached_property
    def parameters(self) -> list[np.ndarray]:
        """Kernel, and bias unless there is none, with the normalization folded in, in float32."""
        values: list[np.ndarray] = self.layer.get_weights()
        if self.norm is None:
            return values
        depthwise = isinstance(self.layer, stock.DepthwiseConv2D)
        outputs = values[0].shape[-2:] if depthwise else (-1,)
        return [part.astype("float32") for part in fold_batch_norm(values, self.norm, outputs)]

    @property
    def kinds_of_formats(self) -> tuple[Literal["weight", "bias"], ...]:
        """Which of `LayerFormats` it has use for, under the names `weights` and `name`."""
        if self.kind != "kernel":
            return ()
        return ("weight", "bias") if len(self.parameters) == 2 else ("weight",)


@dataclass(frozen=True, eq=False)
class TwinPlan:
    """Places of a model in an order in which they can be computed."""

    model: FlatModel
    places: tuple[Place, ...]

    def consumers(self, name: str) -> list[Place]:
        """Places that are computed from another."""
        return [place for place in self.places if name in place.sources]

    def format_of(self, place: Place, formats: TwinFormats) -> FixedPointFormat | None:
        """What a place is rounded to, as it is stated; None where it is not rounded."""
        if place.kind == "input":
            return formats.of_input(place.name) if place.default else None
        own = formats.own_activation(place.name)
        if own is None and place.default is not None:
            chosen: FixedPointFormat = getattr(formats, place.default)
            return chosen
        return own

    def never_negative(self, place: Place, formats: TwinFormats) -> bool:
        """Whether a place's values cannot be negative, whatever comes in."""
        form = self.format_of(place, formats)
        if place.rectified or (form is not None and not form.signed):
            return True
        return self.takes_no_negative(place, formats)

    def takes_no_negative(self, place: Place, formats: TwinFormats) -> bool:
        """Whether a layer that changes no sign takes only what is never negative."""
        if place.kind not in ("exact", "identity") or type(place.layer) is stock.Subtract:
            return False
        if isinstance(place.layer, stock.Rescaling):
            parts = np.asarray(place.layer.scale), np.asarray(place.layer.offset)
            if min(part.min() for part in parts) < 0:
                return False
        by_name = {other.name: other for other in self.places}
        return all(self.never_negative(by_name[name], formats) for name in place.sources)

    def check(self, formats: TwinFormats) -> None:
        """Raise InputError where formats are of what the model lacks, or have the wrong sign."""
        if not isinstance(formats, TwinFormats):
            raise InputError(f"formats must be TwinFormats, got {type(formats).__name__}")
        inputs = [place.name for place in self.places if place.default == "input"]
        _check_names("inputs", list(formats.inputs), inputs)
        choices = self._choices()
        _check_names("layers", list(formats.layers), list(choices))
        for name, own in formats.layers.items():
            for kind in own.given:
                if kind not in choices[name]:
                    raise InputError(
                        f"formats.layers['{name}'] must have formats of "
                        f"{' and '.join(choices[name])} alone, got {kind} {getattr(own, kind)}"
                    )
        for place in self.places:
            form = self.format_of(place, formats)
            if form is not None and not form.signed and not self._may_be_unsigned(place, formats):
                raise InputError(
                    f"formats.layers['{place.name}'].activation must be fixed, as what the layer "
                    f"gives may be negative, got {form}"
                )

    def _may_be_unsigned(self, place: Place, formats: TwinFormats) -> bool:
        if place.kind == "input" or place.rectified:
            return True
        return self.takes_no_negative(place, formats)

    def _choices(self) -> dict[str, tuple[str, ...]]:
        """Names of the layers that have formats, and of which kinds."""
        found: dict[str, tuple[str, ...]] = {}
        for place in self.places:
            if place.kinds_of_formats:
                found[place.weights] = place.kinds_of_formats
            if place.kind not in ("input", "kept"):
                found[place.name] = (*found.get(place.name, ()), "activation")
        return found


def plan_twin(model: keras.Model) -> TwinPlan:
    """Which tensors of a model its twin has, and which of them are rounded.

    A ReLU is rounded, and so is a layer of weights, or a change of scale, unless a rounding follows
    with nothing but layers between that need none. So is what the model gives, unless that was.

    Raises:
        InputError: a model or a layer without such a form, or weights that are not finite.
    """
    flat = flatten_model(model)
    plan = TwinPlan(flat, tuple(_places(flat)))
    return TwinPlan(flat, tuple(_with_default(plan, place) for place in plan.places))


def _places(flat: FlatModel) -> Iterator[Place]:
    steps = {step.name: step for step in flat.steps}
    folded = {step.sources[0]: step for step in flat.steps if _is_norm(step)}
    for name in folded:
        _check_fold(flat, steps[name], folded[name])
    for step in flat.steps:
        if step.name in folded:
            continue
        place = _place(steps[step.sources[0]] if _is_norm(step) else step)
        if _is_norm(step):
            place = replace(place, name=step.name, norm=step.layer)
        for values in place.parameters if place.kind == "kernel" else ():
            if not np.isfinite(values).all():
                raise InputError(
                    f"layer '{step.name}': weights must be finite, got NaN or infinity; train it "
                    "again"
                )
        yield place


def _check_names(field: str, names: list[str], choices: list[str]) -> None:
    for name in names:
        if name not in choices:
            raise InputError(f"formats.{field} must name one of {', '.join(choices)}, got {name!r}")


def _is_norm(step: Step) -> bool:
    return type(step.layer) is stock.BatchNormalization


def _place(step: Step) -> Place:
    """Raises InputError where a layer has no form in fixed point."""
    kind = layer_kind(step)
    rectified = kind == "relu"
    if kind == "kernel":
        rectified = step.layer.activation is keras.activations.relu
    return Place(step.name, step.layer, step.sources, kind, step.name, rectified=rectified)


def _check_fold(flat: FlatModel, before: Step, norm: Step) -> None:
    """Raise InputError unless a batch normalization can become part of the layer before."""
    rule = f"batch normalization must follow one of {', '.join(k.__name__ for k in KERNELS)}"
    if type(before.layer) not in KERNELS:
        found = f"layer '{before.name}' of kind {type(before.layer).__name__}"
        remedy = "move it behind such a layer, before the activation"
        raise refused(norm, rule, found, remedy)
    activation = getattr(before.layer.activation, "__name__", "another")
    if activation != "linear":
        found = f"layer '{before.name}' with activation {activation}"
        raise refused(norm, f"{rule} without an activation", found, "let the activation follow it")
    n_consumers = sum(step.sources.count(before.name) for step in flat.steps)
    if n_consumers > 1 or before.name in flat.output_names:
        found = f"layer '{before.name}', which others use, too"
        raise refused(norm, f"{rule} alone", found, "make a layer for each")
    n_axes = norm.layer.input_spec.ndim
    channels_first = getattr(before.layer, "data_format", None) == "channels_first"
    if norm.layer.axis % n_axes != (1 if channels_first else n_axes - 1):
        raise refused(norm, "axis must be that of the channels", norm.layer.axis, "use it")


def _with_default(plan: TwinPlan, place: Place) -> Place:
    if place.kind == "input":
        others = plan.consumers(place.name)
        given = others and all(is_quantizer(other.layer) for other in others)
        return place if given else replace(place, default="input")
    if place.rectified:
        return replace(place, default="activation")
    sums = place.kind == "kernel" or type(place.layer) is stock.Rescaling
    if _is_wide_output(plan, place) or (sums and not _is_rounded_later(plan, place)):
        return replace(place, default="output")
    return place


def _is_wide_output(plan: TwinPlan, place: Place) -> bool:
    """Whether the model gives what a layer computes, rather than moves."""
    computes = place.kind != "kept" and type(place.layer) not in MOVING
    return computes and place.name in plan.model.output_names


def _is_rounded_later(plan: TwinPlan, place: Place) -> bool:
    """Whether all that takes a place's values rounds them before it multiplies them."""
    if place.name in plan.model.output_names:
        return False
    return all(
        other.kind == "relu"
        or is_quantizer(other.layer)
        or (other.kind != "kernel" and _is_wide_output(plan, other))
        or (other.kind in ("exact", "identity") and _is_rounded_later(plan, other))
        for other in plan.consumers(place.name)
    )
