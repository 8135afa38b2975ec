"""Random networks as users write them in Keras, and scores of their tensors, by hypothesis.

What is drawn says what is tried; a step for which there is no tensor of a fitting shape is left
out, so that every drawing is a network.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
from hypothesis import strategies as st
from keras import layers as kl

from hls.graph.keras_layers import HardwareInput
from keras_ae.fixed_point import OVERFLOWS, ROUNDINGS, FixedPointFormat
from keras_ae.precision import (
    QActivation,
    QConv1D,
    QConv2D,
    QDense,
    QDepthwiseConv2D,
    fixed_point,
    quantizer_format,
)
from keras_ae.settings.tensor_scores import TensorScore

#: Those of the graph's own layers among them.
NAMES = ("x", "mu", "Mu2", "hidden", "scale", "trigger", "threshold", "probability", "objects")
SCORE_NAMES = ("", "score", "squared_error", "my_score")
VECTOR_KINDS = (
    *("dense", "dense", "quantize", "quantize", "relu", "rescale", "operator", "add", "subtract"),
    *("concatenate", "nothing", "batch_norm", "nested", "reshape"),
)
GRID_KINDS = (
    *("convolution", "convolution", "depthwise", "max_pool", "global_pool", "flatten", "pad"),
    *("average", "quantize", "relu", "rescale", "operator", "add", "concatenate", "nested"),
)
LARGEST_TENSOR = 48


@dataclass(frozen=True)
class Step:
    """One layer or operator: on which tensors, counted from the last, and numbers to choose by."""

    kind: str
    sources: tuple[int, int, int]
    n: int
    choice: int
    output: str
    kernel: str
    bias: str
    name: str | None
    inner: tuple[Step, ...] = ()


@dataclass(frozen=True)
class Score:
    """As a `TensorScore`, its tensors as those of a step."""

    kind: str
    sources: tuple[int, int]
    name: str
    masked: bool
    term_format: str | None
    output_format: str | None


@dataclass(frozen=True)
class Drawing:
    """All that is drawn; weights, constants and events follow from the seed."""

    shapes: tuple[tuple[int, ...], ...]
    inputs: tuple[tuple[str, int], ...]
    steps: tuple[Step, ...]
    scores: tuple[Score, ...]
    threshold_input: bool
    table_error: float
    seed: int


@st.composite
def formats(draw: st.DrawFn, widths: tuple[int, int] = (4, 9), integers: int = 4) -> str:
    """Any modes; in half of the cases those of QKeras."""
    width = draw(st.integers(*widths))
    integer = draw(st.integers(1, integers) | st.integers(-1, width + 1))
    modes = ROUNDINGS[0], OVERFLOWS[0]
    if draw(st.booleans()):
        modes = draw(st.tuples(st.sampled_from(ROUNDINGS), st.sampled_from(OVERFLOWS)))
    return str(FixedPointFormat(width, integer, draw(st.integers(0, 3)) < 3, *modes))


@st.composite
def steps(draw: st.DrawFn, kinds: Sequence[str], depth: int = 0) -> Step:
    kind = draw(st.sampled_from([kind for kind in kinds if not depth or kind != "nested"]))
    inner = draw(st.lists(steps(kinds, 1), max_size=3)) if kind == "nested" else ()
    return Step(
        kind,
        # The last one mostly: a chain, with branches.
        draw(st.tuples(*[st.sampled_from([0, 0, 0, 1, 2, 4])] * 3)),
        draw(st.integers(1, 4)),
        draw(st.integers(0, 11)),
        draw(formats()),
        draw(formats((3, 6), 2)),
        draw(formats((2, 7), 3)),
        draw(st.none() | st.sampled_from(NAMES)),
        tuple(inner),
    )


@st.composite
def scores(draw: st.DrawFn) -> Score:
    kinds = ("squared_error", "absolute_error", "squared_norm", "value")
    kinds += ("normalized_norm", "gaussian_divergence")
    modes = st.none() | st.none() | formats((8, 16), 8)
    return Score(
        draw(st.sampled_from(kinds)),
        draw(st.tuples(*[st.integers(0, 4)] * 2)),
        draw(st.sampled_from(SCORE_NAMES)),
        draw(st.booleans()),
        draw(modes),
        draw(modes),
    )


@st.composite
def drawings(draw: st.DrawFn) -> Drawing:
    size, vectors = st.sampled_from([4, 3, 2, 1]), draw(st.integers(0, 2)) > 0
    grids = st.tuples(size, st.integers(1, 2)) | st.tuples(size, size, st.integers(1, 2))
    shapes = draw(st.lists(st.tuples(size) if vectors else grids, min_size=1, max_size=2))
    kinds = VECTOR_KINDS if vectors else GRID_KINDS
    chain = draw(st.lists(steps(kinds), min_size=2, max_size=7))
    if not vectors and draw(st.booleans()):
        flatten = draw(steps(["flatten"]))
        chain += [flatten, *draw(st.lists(steps(VECTOR_KINDS), max_size=3))]
    return Drawing(
        tuple(shapes),
        tuple((draw(formats()), draw(st.integers(0, 2))) for _ in shapes),
        tuple(chain),
        tuple(draw(st.lists(scores(), min_size=1, max_size=2, unique_by=_port))),
        draw(st.booleans()),
        2.0 ** -draw(st.integers(4, 8)),
        draw(st.integers(0, 2**20)),
    )


def _port(score: Score) -> str:
    return score.name or score.kind


# Keras -----------------------------------------------------------------------------------------


@dataclass
class Network:
    """What is built so far: tensors that steps may take, and layers of weights."""

    rng: np.random.Generator
    tensors: list[Any] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    layers: list[Any] = field(default_factory=list)

    def name(self, wanted: str | None) -> str | None:
        """A name that no layer of the model has yet; None leaves it to Keras."""
        if wanted is None or wanted in self.used:
            return None
        self.used.add(wanted)
        return wanted

    def pick(self, back: int, fits: Callable[[tuple[int, ...]], bool]) -> Any:
        """The tensor that lies so far back among those of a fitting shape; None without any."""
        found = [x for x in self.tensors if fits(tuple(x.shape[1:]))]
        return found[-1 - back % len(found)] if found else None

    def add(self, tensor: Any) -> None:
        if np.prod(tensor.shape[1:]) <= LARGEST_TENSOR:
            self.tensors.append(tensor)

    def named(self) -> list[Any]:
        """Tensors that a score may ask for: a model's with several outputs have no name."""
        return [
            x
            for x in self.tensors
            if len(x._keras_history.operation._inbound_nodes[0].output_tensors) == 1
        ]

    def apply(self, step: Step) -> None:
        ranks = _RANKS.get(step.kind, (1, 2, 3))
        x = self.pick(step.sources[0], lambda shape: len(shape) in ranks)
        if x is None:
            return
        found = getattr(self, f"_{step.kind}")(step, x)
        for tensor in found if isinstance(found, list) else [found]:
            self.add(tensor)

    # Each kind of step -------------------------------------------------------------------------

    def _weights(self, step: Step, role: str = "kernel") -> dict[str, Any]:
        activations = (None, None, None, "relu", fixed_point(step.output))
        return {
            f"{role}_quantizer": fixed_point(step.kernel),
            "bias_quantizer": fixed_point(step.bias),
            "use_bias": step.choice % 3 > 0,
            "activation": activations[step.choice % len(activations)],
            "name": self.name(step.name),
        }

    def _of_weights(self, step: Step, layer: Any, x: Any) -> Any:
        self.layers.append(layer)
        y = layer(x)
        # Sums mostly are rounded at once.
        return y if step.choice % 4 == 0 else [y, QActivation(fixed_point(step.output))(y)]

    def _dense(self, step: Step, x: Any) -> Any:
        return self._of_weights(step, QDense(step.n, **self._weights(step)), x)

    def _convolution(self, step: Step, x: Any) -> Any:
        size = tuple(min(1 + (step.n + i) % 3, n) for i, n in enumerate(x.shape[1:-1]))
        options = self._weights(step) | {"padding": ("same", "valid")[step.n % 2]}
        options["strides"] = (1, 2, (1,) * (len(size) - 1) + (3,))[step.choice % 3]
        kind = QConv1D if len(size) == 1 else QConv2D
        return self._of_weights(step, kind(1 + step.choice % 3, size, **options), x)

    def _depthwise(self, step: Step, x: Any) -> Any:
        options = self._weights(step, "depthwise") | {"padding": ("same", "valid")[step.n % 2]}
        size = tuple(min(2, n) for n in x.shape[1:-1])
        stride, multiplier = 1 + step.n // 3, 1 + step.choice % 2
        layer = QDepthwiseConv2D(
            size, strides=(stride, stride), depth_multiplier=multiplier, **options
        )
        return self._of_weights(step, layer, x)

    def _quantize(self, step: Step, x: Any) -> Any:
        kind = kl.Activation if step.choice % 4 == 0 else QActivation
        return kind(fixed_point(step.output), name=self.name(step.name))(x)

    def _relu(self, step: Step, x: Any) -> Any:
        name = self.name(step.name)
        layers = kl.ReLU(name=name), kl.Activation("relu", name=name)
        return (*layers, keras.ops.relu, keras.activations.relu)[step.choice % 4](x)

    def _constant(self, step: Step, x: Any) -> Any:
        n = x.shape[-1] if step.choice % 2 else 1
        values = self.rng.integers(-12, 13, n) / 2.0 ** (step.n - 1)
        return values.astype(np.float32) if n > 1 else float(values[0])

    def _rescale(self, step: Step, x: Any) -> Any:
        scale, offset = (self._constant(step, x) for _ in range(2))
        return kl.Rescaling(scale, offset, name=self.name(step.name))(x)

    def _operator(self, step: Step, x: Any) -> Any:
        c = self._constant(step, x)
        return (
            *(
                lambda: x + c,
                lambda: keras.ops.subtract(c, x),
                lambda: x - c,
                lambda: x * c,
                lambda: -x,
            ),
            *(lambda: -x, lambda: x / 2.0**step.n, lambda: x * 0.3),
        )[step.choice % 7]()

    def _others(self, step: Step, x: Any, fits: Callable[[tuple[int, ...]], bool]) -> list[Any]:
        n = 1 + step.n % 2
        return [x, *(self.pick(back, fits) for back in step.sources[1 : 1 + n])]

    def _add(self, step: Step, x: Any) -> Any:
        terms = self._others(step, x, lambda shape: shape == tuple(x.shape[1:]))
        if step.choice % 3 == 0:
            return terms[0] + terms[1]
        return kl.Add(name=self.name(step.name))(terms)

    def _subtract(self, step: Step, x: Any) -> Any:
        pair = self._others(step, x, lambda shape: shape == tuple(x.shape[1:]))[:2]
        if step.choice % 2:
            return pair[0] - pair[1]
        return kl.Subtract(name=self.name(step.name))(pair)

    def _concatenate(self, step: Step, x: Any) -> Any:
        parts = self._others(step, x, lambda shape: shape[:-1] == tuple(x.shape[1:-1]))
        if step.choice % 3 == 0:
            return keras.ops.concatenate(parts, axis=-1)
        return kl.Concatenate(name=self.name(step.name))(parts)

    def _nothing(self, step: Step, x: Any) -> Any:
        name = self.name(step.name)
        layers = kl.Dropout(0.3, name=name), kl.GaussianNoise(0.1, name=name)
        return (*layers, kl.Identity(name=name), kl.Activation("linear"))[step.choice % 4](x)

    def _batch_norm(self, step: Step, x: Any) -> Any:
        scale, center = step.choice % 3 > 0, step.choice % 2 > 0
        layer = kl.BatchNormalization(scale=scale, center=center, name=self.name(step.name))
        y = layer(x)
        values = self.rng.gamma(2, 0.5, (len(layer.weights), x.shape[-1]))
        layer.set_weights(list(values * self.rng.choice([-1, 1], values.shape)))
        layer.moving_variance.assign(values[-1])
        return [y, QActivation(fixed_point(step.output))(y)]

    def _reshape(self, step: Step, x: Any) -> Any:
        n = x.shape[-1]
        shape = ((n,), (n, 1), (1, n), (1, 1, n))[step.choice % 4]
        return kl.Reshape(shape, name=self.name(step.name))(x)

    def _flatten(self, step: Step, x: Any) -> Any:
        return kl.Flatten(name=self.name(step.name))(x)

    def _max_pool(self, step: Step, x: Any) -> Any:
        size = tuple(next(n for n in (2, 3, 1) if side % n == 0) for side in x.shape[1:-1])
        kind = kl.MaxPooling1D if len(size) == 1 else kl.MaxPooling2D
        return kind(size, name=self.name(step.name))(x)

    def _global_pool(self, step: Step, x: Any) -> Any:
        is_mean = int(np.prod(x.shape[1:-1])).bit_count() == 1 and step.choice % 2
        kind = f"Global{'Average' if is_mean else 'Max'}Pooling{len(x.shape) - 2}D"
        return getattr(kl, kind)(keepdims=step.choice % 3 == 0, name=self.name(step.name))(x)

    def _average(self, step: Step, x: Any) -> Any:
        size = tuple(1 + (side % 2 == 0) for side in x.shape[1:-1])
        kind = kl.AveragePooling1D if len(size) == 1 else kl.AveragePooling2D
        return kind(size, name=self.name(step.name))(x)

    def _pad(self, step: Step, x: Any) -> Any:
        name = self.name(step.name)
        if step.choice % 2:
            return kl.UpSampling2D((1 + step.n % 2, 2), name=name)(x)
        return kl.ZeroPadding2D(((step.n % 2, 0), (0, 1)), name=name)(x)

    def _nested(self, step: Step, x: Any) -> Any:
        inside = Network(self.rng)
        inside.add(keras.Input(x.shape[1:], name=inside.name(step.name)))
        for part in step.inner:
            inside.apply(part)
        self.layers += inside.layers
        first, last = inside.tensors[0], inside.tensors[-1]
        if step.choice % 4 == 0 and len(inside.tensors) > 2:
            return list(keras.Model(first, inside.tensors[-2:])(x))
        return keras.Model(first, last, name=self.name(step.name))(x)


_RANKS: dict[str, tuple[int, ...]] = {
    **dict.fromkeys(("dense", "reshape"), (1,)),
    **dict.fromkeys(("convolution", "max_pool", "global_pool", "average"), (2, 3)),
    **dict.fromkeys(("depthwise", "pad"), (3,)),
    "flatten": (1, 2, 3),
}


@dataclass(frozen=True)
class Request:
    """What a user asks of `build_trigger_graph`, and the tensors of each score."""

    model: keras.Model
    scores: list[TensorScore]
    tensors: list[list[Any]]
    input_formats: dict[str, FixedPointFormat]
    forms: list[FixedPointFormat]


def build(drawing: Drawing) -> Request:
    """The network that is drawn, with random weights, some beyond their formats."""
    network = Network(np.random.default_rng(drawing.seed))
    ends, given = [], {}
    for number, (shape, (text, how)) in enumerate(zip(drawing.shapes, drawing.inputs, strict=True)):
        form, name = FixedPointFormat.parse(text), ("calo", "tracks")[number]
        end = HardwareInput(shape, str(form.values), name=name).output
        if how:
            end = keras.Input(shape, name=name)
        ends.append(end)
        if how == 1:
            end = QActivation(fixed_point(text))(end)
        elif how == 2:
            given[name] = form.values
        network.add(end)
    for step in drawing.steps:
        network.apply(step)
    pairs = [_tensor_score(network, score) for score in drawing.scores]
    outputs = {id(x): x for _, parts in pairs for x in parts}
    # Every input is taken, though perhaps by nothing that is scored.
    for x in (*network.tensors[: len(ends)], network.tensors[-1]):
        outputs[id(x)] = x
    model = keras.Model(ends, list(outputs.values()))
    for layer in network.layers:
        _set_weights(layer, network.rng)
    forms = [FixedPointFormat.parse(text).values for text, _ in drawing.inputs]
    return Request(model, [s for s, _ in pairs], [parts for _, parts in pairs], given, forms)


def _tensor_score(network: Network, score: Score) -> tuple[TensorScore, list[Any]]:
    """A score of tensors that there are; of another kind where there are none for it."""
    found = network.named()
    last = found[-1 - score.sources[0] % len(found)]
    kind, parts = score.kind, [last]
    same = [x for x in found if x.shape == last.shape]
    if kind.endswith("_error"):
        parts.append(same[-1 - score.sources[1] % len(same)])
    elif kind in ("normalized_norm", "gaussian_divergence"):
        rounded = [x for x in same if isinstance(x._keras_history.operation, QActivation)]
        parts += rounded[-1:]
        kind = kind if rounded else "squared_norm"
    elif kind == "value" and tuple(last.shape[1:]) != (1,):
        kind = "squared_norm"
    return TensorScore(
        kind=kind,  # type: ignore[arg-type]
        of=tuple(x._keras_history.operation.name for x in parts),
        name=score.name or score.kind,
        masked=score.masked and kind.endswith("_error"),
        term_format=score.term_format,  # type: ignore[arg-type]
        output_format=score.output_format,  # type: ignore[arg-type]
    ), parts


def _set_weights(layer: Any, rng: np.random.Generator) -> None:
    """As QKeras clips them."""
    role = "depthwise" if hasattr(layer, "depthwise_kernel") else "kernel"
    quantizers = getattr(layer, f"{role}_quantizer_internal"), layer.bias_quantizer_internal
    found = []
    for part, quantizer in zip(layer.get_weights(), quantizers, strict=False):
        form = quantizer_format(quantizer)
        end = max(1.0, form.high)
        found.append(np.clip(rng.normal(0, max(form.high, form.step), part.shape), -end, end))
    layer.set_weights(found)
