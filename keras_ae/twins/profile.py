"""Ranges of every tensor of a plain Keras model on a sample, and formats that fit them."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import Any, get_args

import keras
import numpy as np

from keras_ae.arrays import check_events, check_not_empty
from keras_ae.errors import InputError
from keras_ae.fixed_point import MAX_QUANTIZER_WIDTH, FixedPointFormat, LayerFormats
from keras_ae.mapping import map_batches
from keras_ae.twins.formats import Formats, TwinFormats, TwinKind, twin_formats
from keras_ae.twins.plan import Place, TwinPlan, plan_twin
from keras_ae.twins.tensor_profile import TensorProfile

_COLUMNS = (
    *("tensor", "smallest", "largest", "median", "99 %", "smallest non-zero", "last bit"),
    *("zeros", "format", "saturates", "to zero"),
)


@dataclass(frozen=True, eq=False)
class Profile:
    """Of inputs, outputs of layers, weights and biases, in the order of computation."""

    plan: TwinPlan
    tensors: tuple[TensorProfile, ...]

    def __getitem__(self, name: str) -> TensorProfile:
        """The tensor of that name: `layer`, `layer.weight` or `layer.bias`.

        Raises:
            InputError: there is none.
        """
        by_name = {tensor.name: tensor for tensor in self.tensors}
        if name not in by_name:
            raise InputError(f"tensor must be one of {', '.join(by_name)}, got {name!r}")
        return by_name[name]

    def propose(self, width: int = 8, *, quantile: float = 1.0, **widths: int) -> TwinFormats:
        """Formats of their own for each input and layer, as many integer bits as the sample takes.

        An unsigned format is chosen where nothing is negative: of inputs, and after a ReLU.

        Args:
            width: bits of each number.
            quantile: the share of |x| that is not to saturate; of weights and biases all are not.
            widths: bits of single kinds: input, weight, bias, activation (after a ReLU), output
                (of linear layers).

        Raises:
            InputError: a width outside 2 to 32, a quantile outside (0, 1], or another kind.
        """
        by_kind = _widths(width, widths)
        if not 0 < quantile <= 1:
            raise InputError(f"quantile must be within (0, 1], got {quantile}")
        inputs: dict[str, FixedPointFormat] = {}
        layers: dict[str, dict[str, FixedPointFormat]] = {}
        for tensor in self.tensors:
            if tensor.kind is None:
                continue
            weights = tensor.kind in ("weight", "bias")
            form = tensor.fitting(by_kind[tensor.kind], 1.0 if weights else quantile)
            if tensor.kind == "input":
                inputs[tensor.name] = form
            else:
                layer = tensor.name.removesuffix(f".{tensor.kind}") if weights else tensor.name
                kind = tensor.kind if weights else "activation"
                layers.setdefault(layer, {})[kind] = form
        return TwinFormats(
            inputs=inputs, layers={name: LayerFormats(**own) for name, own in layers.items()}
        )

    def formats(self, formats: Formats = None) -> dict[str, FixedPointFormat | None]:
        """The format of each tensor, those that are proposed by default; None where not rounded."""
        chosen = self.propose() if formats is None else twin_formats(formats)
        self.plan.check(chosen)
        found: dict[str, FixedPointFormat | None] = {}
        for place in self.plan.places:
            found[place.name] = self.plan.format_of(place, chosen)
            own = self.plan.weight_formats(place, chosen)
            for kind, form in zip(place.kinds_of_formats, own, strict=True):
                found[f"{place.weights}.{kind}"] = form
        return found

    def table(self, formats: Formats = None) -> str:
        """Each tensor, its format, and what saturates and what is lost to zero, as Markdown.

        Formats are those of `propose()` by default; `-` stands where a tensor is not rounded.

        Raises:
            InputError: formats of what the model lacks.
        """
        chosen = self.formats(formats)
        rows = [_row(tensor, chosen[tensor.name]) for tensor in self.tensors]
        lines = [_COLUMNS, ("---", *("---:" for _ in _COLUMNS[1:])), *rows]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)

    def plot(self, formats: Formats = None) -> Any:
        """A figure of each tensor's range and quantiles beside the bits of its format.

        Formats are those of `propose()` by default, see `plots.tensor_ranges`.
        """
        from keras_ae.plots import tensor_ranges

        chosen = self.formats(formats)
        return tensor_ranges(
            [tensor.name for tensor in self.tensors],
            [(tensor.smallest, max(-tensor.low, tensor.high)) for tensor in self.tensors],
            {
                share: [tensor.quantile(share) for tensor in self.tensors]
                for share in (0.5, 0.9, 0.99)
            },
            [chosen[tensor.name] for tensor in self.tensors],
        )


def profile_model(model: keras.Model, *samples: np.ndarray) -> Profile:
    """Values of every tensor of a Sequential or Functional model on a sample.

    Batch normalizations are folded into the layers before them, as in the twin. All values are
    kept, so that shares are exact for any format: some thousand events do.

    Args:
        model: in float.
        samples: (events, ...), one for each of the model's inputs.

    Raises:
        InputError: a model that has no twin, see `plan_twin`, or samples that do not fit it.
    """
    plan = plan_twin(model)
    tensors = _outputs(plan, _checked(plan, samples))
    found: list[TensorProfile] = []
    for place in plan.places:
        found.extend(
            TensorProfile(f"{place.weights}.{kind}", kind, np.sort(values, axis=None))
            for kind, values in zip(place.kinds_of_formats, place.parameters, strict=False)
        )
        values = np.sort(tensors[place.name], axis=None)
        if not np.isfinite(values[[0, -1]]).all():
            raise InputError(f"layer '{place.name}' must give finite numbers, got NaN or infinity")
        may_be_unsigned = place.rectified or place.kind == "input"
        found.append(TensorProfile(place.name, place.default, values, may_be_unsigned))
    return Profile(plan, tuple(found))


def _checked(plan: TwinPlan, samples: tuple[np.ndarray, ...]) -> dict[str, np.ndarray]:
    """The sample of each input, by its name."""
    names = keras.tree.flatten(plan.model.inputs)
    if len(samples) != len(names):
        raise InputError(
            f"samples must be one array for each of the inputs {', '.join(names)}, "
            f"got {len(samples)}"
        )
    layers = {place.name: place.layer for place in plan.places}
    found = {
        name: check_events(sample, layers[name].batch_shape[1:], f"sample of input '{name}'")
        for name, sample in zip(names, samples, strict=True)
    }
    check_not_empty(**found)
    n_events = {len(sample) for sample in found.values()}
    if len(n_events) > 1:
        raise InputError(f"samples must be of the same events, got {sorted(n_events)} of them")
    return found


def _outputs(plan: TwinPlan, samples: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The values of each place, (events, ...)."""

    def computed(*batch: Any) -> dict[str, Any]:
        tensors = dict(zip(samples, batch, strict=True))
        for place in plan.places:
            if place.kind != "input":
                tensors[place.name] = _output(place, [tensors[name] for name in place.sources])
        return tensors

    found: dict[str, np.ndarray] = map_batches(computed, *samples.values())
    return found


def _output(place: Place, sources: list[Any]) -> Any:
    y = place.layer(sources if len(sources) > 1 else sources[0])
    return y if place.norm is None else place.norm(y)


def _widths(width: int, widths: dict[str, int]) -> dict[str, int]:
    """Of each kind."""
    kinds = get_args(TwinKind)
    for kind, bits in {"width": width, **widths}.items():
        if kind not in ("width", *kinds):
            raise InputError(f"widths must be of {', '.join(kinds)}, got {kind!r}")
        if not isinstance(bits, Integral) or not 2 <= bits <= MAX_QUANTIZER_WIDTH:
            raise InputError(f"{kind} must be 2 to {MAX_QUANTIZER_WIDTH} bits, got {bits!r}")
    return dict.fromkeys(kinds, width) | widths


def _row(tensor: TensorProfile, form: FixedPointFormat | None) -> tuple[str, ...]:
    lost = ("-", "-", "-")
    if form is not None:
        lost = (str(form), _percent(tensor.saturated(form)), _percent(tensor.to_zero(form)))
    numbers = (
        *(tensor.low, tensor.high, tensor.quantile(0.5), tensor.quantile(0.99), tensor.smallest),
    )
    last_bit = f"2^{int(np.log2(tensor.last_bit))}" if tensor.last_bit else "-"
    return (
        tensor.name,
        *(f"{number:.3g}" for number in numbers),
        last_bit,
        _percent(tensor.zeros),
        *lost,
    )


def _percent(share: float) -> str:
    """Nothing is not rounded away: 0 % is none at all."""
    return "0 %" if share == 0 else f"{100 * share:.3g} %"
