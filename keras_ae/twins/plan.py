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
from keras_ae.precision import is_quantizer
from keras_ae.twins.flat_model import FlatModel, Step, flatten_model
from keras_ae.twins.formats import TwinFormats
from keras_ae.twins.layers import KERNELS, MOVING, Kind, layer_kind, refused
from keras_ae.twins.tensor_profile import TensorProfile
from keras_ae.weights import batch_norm_constants, fold_batch_norm


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
        """Kernel or scale, and bias or offset unless there is none, in float32.

        The normalization is folded in.
        """
        if self.kind == "rescaling":
            scale, offset = np.float32(self.layer.scale), np.float32(self.layer.offset)
            return [np.asarray(scale), np.asarray(offset)] if offset.any() else [np.asarray(scale)]
        values: list[np.ndarray] = self.layer.get_weights()
        if self.norm is None:
            return values
        depthwise = isinstance(self.layer, stock.DepthwiseConv2D)
        outputs = values[0].shape[-2:] if depthwise else (-1,)
        return [part.astype("float32") for part in fold_batch_norm(values, self.norm, outputs)]

    @property
    def kinds_of_formats(self) -> tuple[Literal["weight", "bias"], ...]:
        """Which of `LayerFormats` it has use for, under the names `weights` and `name`."""
        if self.kind not in ("kernel", "rescaling"):
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
        own = formats.own(place.name, "activation")
        if own is None and place.default is not None:
            chosen: FixedPointFormat = getattr(formats, place.default)
            return chosen
        return own

    def weight_formats(self, place: Place, formats: TwinFormats) -> list[FixedPointFormat]:
        """Of each of a place's parameters.

        The constants of a change of scale, unless they have formats of their own, have as many bits
        as weights and biases, and their point where they fit.
        """
        found = []
        for kind, values in zip(place.kinds_of_formats, place.parameters, strict=False):
            form = formats.of_weights(place.weights, kind)
            if place.kind == "rescaling" and formats.own(place.weights, kind) is None:
                form = TensorProfile(place.name, kind, np.sort(values, axis=None)).fitting(
                    form.width
                )
            found.append(form)
        return found

    def never_negative(self, place: Place, formats: TwinFormats) -> bool:
        """Whether a place's values cannot be negative, whatever comes in."""
        form = self.format_of(place, formats)
        if place.rectified or (form is not None and not form.signed):
            return True
        if form is not None and form.overflow == "WRAP":
            return False
        return self.takes_no_negative(place, formats)

    def takes_no_negative(self, place: Place, formats: TwinFormats) -> bool:
        """Whether a layer that changes no sign takes only what is never negative."""
        if place.kind not in ("exact", "identity", "rescaling"):
            return False
        if type(place.layer) is stock.Subtract:
            return False
        if place.kind == "rescaling":
            chosen = self.weight_formats(place, formats)
            constants = zip(chosen, place.parameters, strict=True)
            if min(form.quantize(values).min() for form, values in constants) < 0:
                return False
        by_name = {other.name: other for other in self.places}
        return all(self.never_negative(by_name[name], formats) for name in place.sources)

    def check(self, formats: TwinFormats) -> None:
        """Raise InputError where formats are of what the model lacks, or do not suit it."""
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
            if form is not None:
                self._check_format(place, form, formats)

    def _check_format(self, place: Place, form: FixedPointFormat, formats: TwinFormats) -> None:
        """Raise InputError where a place's values cannot be in its format."""
        subject = f"formats.layers['{place.name}'].activation"
        if formats.own(place.name, "activation") is None:
            subject = f"formats.{place.default}, of layer '{place.name}',"
        if place.rectified and form.overflow != "SAT":
            raise InputError(
                f"{subject} must saturate, as saturation at zero is the ReLU, got {form}"
            )
        may_be_negative = not (place.rectified or self.takes_no_negative(place, formats))
        if may_be_negative and not form.signed and place.kind != "input":
            raise InputError(
                f"{subject} must be fixed, as what the layer gives may be negative, got {form}"
            )

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
    norms = [step for step in flat.steps if _is_norm(step)]
    # By the layer that they become part of.
    folded = {
        norm.sources[0]: norm
        for norm in norms
        if _can_be_folded(flat, steps[norm.sources[0]], norm)
    }
    for step in flat.steps:
        if step.name in folded:
            continue
        if step not in norms:
            place = _place(step)
        elif step in folded.values():
            place = _place(steps[step.sources[0]])
            place = replace(place, name=step.name, norm=step.layer)
        else:
            place = _rescaling(step)
        for values in place.parameters if place.kinds_of_formats else ():
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


def _can_be_folded(flat: FlatModel, before: Step, norm: Step) -> bool:
    """Whether a batch normalization can become part of the weights of the layer before.

    Raises:
        InputError: it normalizes another axis than that of the channels.
    """
    n_axes = norm.layer.input_spec.ndim
    if norm.layer.axis % n_axes != n_axes - 1:
        raise refused(norm, "axis must be that of the channels", norm.layer.axis, "use it")
    if type(before.layer) not in KERNELS or before.layer.activation is not keras.activations.linear:
        return False
    n_consumers = sum(step.sources.count(before.name) for step in flat.steps)
    return n_consumers == 1 and before.name not in flat.output_names


def _rescaling(norm: Step) -> Place:
    """A batch normalization that stands alone: one factor and one offset for each channel."""
    scale, offset = batch_norm_constants(norm.layer)
    layer = stock.Rescaling(scale.tolist(), offset.tolist(), name=norm.name)
    return Place(norm.name, layer, norm.sources, "rescaling", norm.name)


def _with_default(plan: TwinPlan, place: Place) -> Place:
    if place.kind == "input":
        others = plan.consumers(place.name)
        given = others and all(is_quantizer(other.layer) for other in others)
        return place if given else replace(place, default="input")
    if place.rectified:
        return replace(place, default="activation")
    sums = place.kind in ("kernel", "rescaling")
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
        or (other.kind not in ("kernel", "rescaling") and _is_wide_output(plan, other))
        or (other.kind in ("exact", "identity") and _is_rounded_later(plan, other))
        for other in plan.consumers(place.name)
    )
