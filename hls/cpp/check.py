"""The linter: every rule that a model must keep to become exact firmware that can be synthesized.

Rules of a layer's arithmetic are where that is, in `operations`, `exact` and `layers`; here are
those of the graph as a whole and of the settings. `convert` applies them all.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence

import keras

from hls.cpp.backends import BACKENDS
from hls.graph.build import build_score_graph
from hls.graph.logic_layers import HardwareInput, LookupTable
from hls.graph.network_layers import exact_operation
from hls.graph.operation import producers
from hls.graph.refusal import Refusal
from keras_ae.data.scaling import L1Scaler
from keras_ae.errors import InputError
from keras_ae.fixed_point import FixedPointFormat
from keras_ae.models import Autoencoder, ScoringModel
from keras_ae.precision import is_quantizer, quantizer_format
from keras_ae.settings.firmware import ERROR_SCORES, LATENT_SCORES, FirmwareSettings
from keras_ae.settings.objectives import STUDENT_SCORE
from keras_ae.settings.targets import TARGETS

#: Vendor HLS refuses to unroll a loop over more weights, or to part an array into more registers.
MAX_UNROLLED = 4096

#: Beyond, a table of a function that is of order 1 near 0 has too few entries there.
MAX_TABLE_ERROR = 2.0**-4

_BUILD = "name it as build_autoencoder does"
_OTHER = "choose another name"

#: Of hls4ml's variables and types.
_HLS4ML_NAMES = re.compile(
    r"[wb]\d+|input\d*|inputs|outputs|result|model_default|(layer|config|relu_config)\d+\w*"
)
_CPP_KEYWORDS = re.compile(
    r"alignas|alignof|and|asm|auto|bool|break|case|catch|char|class|const|constexpr|continue|"
    r"decltype|default|delete|do|double|else|enum|explicit|export|extern|false|float|for|"
    r"friend|goto|if|inline|int|long|mutable|namespace|new|noexcept|not|nullptr|operator|or|"
    r"private|protected|public|register|return|short|signed|sizeof|static|struct|switch|"
    r"template|this|throw|true|try|typedef|typename|union|unsigned|using|virtual|void|"
    r"volatile|while|xor|main|std|nnet|hls"
)


def check_model(
    model: ScoringModel,
    scores: Sequence[str],
    settings: FirmwareSettings,
    scaler: L1Scaler | None = None,
    units: FixedPointFormat | None = None,
) -> list[Refusal]:
    """What keeps a model, trained or not, from becoming firmware; empty if nothing does.

    Args:
        model: in fixed point.
        scores: the first decides.
        settings: what the firmware is made for.
        scaler, units: as in `build_trigger_graph`.

    Raises:
        InputError: a score that there is no firmware for.
    """
    # Each builds on those before.
    for rules in (
        (_shared_layers,),
        (_layers_without_exact_form, _missing_input_quantizers),
        (_missing_names, _taken_names),
        (_coarser_code,),
    ):
        found = [refusal for rule in rules for refusal in rule(model)]
        if found:
            return found
    try:
        graph = build_score_graph(model, scores, scaler, units, settings.table_error)
    except Refusal as refusal:
        return [refusal]
    return check_graph(graph, settings)


def check_graph(graph: keras.Model, settings: FirmwareSettings) -> list[Refusal]:
    """What keeps a graph of exact layers from being converted or synthesized with `settings`."""
    return [refusal for rule in _GRAPH_RULES for refusal in rule(graph, settings)]


def require_none(refusals: Sequence[Refusal]) -> None:
    """Raise the first of `refusals`, if there is one, and say how many there are.

    Raises:
        InputError: what `keras-ae check` shows line by line.
    """
    if len(refusals) == 1:
        raise refusals[0]
    if refusals:
        raise InputError(f"{refusals[0]} (and {len(refusals) - 1} more, see keras-ae check)")


def _shared_layers(model: ScoringModel) -> Iterator[Refusal]:
    for network in model.networks:
        yield from _called_twice(network)


def _called_twice(network: keras.Model) -> Iterator[Refusal]:
    """hls4ml asks for a layer for each call, and so does the reference."""
    for layer in network.get_config()["layers"]:
        n_calls = len(layer["inbound_nodes"])
        if n_calls > 1:
            yield Refusal(
                layer["name"],
                "a layer must be called once",
                f"{n_calls} calls",
                "make a layer for each",
            )


def _taken_names(model: ScoringModel) -> Iterator[Refusal]:
    """Of what the trigger graph adds to the networks."""
    scores = {*ERROR_SCORES, *LATENT_SCORES, STUDENT_SCORE}
    taken = {"objects", "condition", "scale", "probability", "threshold", "trigger", *scores}
    taken |= {f"{score}_table" for score in scores}
    for network in model.networks:
        for layer in network.layers:
            if layer.name in taken:
                yield Refusal(
                    layer.name,
                    "a layer must not be called like one of the trigger's",
                    "one",
                    _OTHER,
                )


def _cpp_names(graph: keras.Model, settings: FirmwareSettings) -> Iterator[Refusal]:
    """Names become those of types and variables, beside hls4ml's own."""
    seen: set[str] = set()
    for layer in graph.layers:
        name = layer.name
        if not re.fullmatch(r"[A-Za-z]\w*", name) or _CPP_KEYWORDS.fullmatch(name):
            yield Refusal(name, "the name of a layer must be one of C++", f"'{name}'", _OTHER)
        elif _HLS4ML_NAMES.fullmatch(name):
            yield Refusal(name, "the name of a layer must not be hls4ml's own", f"'{name}'", _OTHER)
        elif name.lower() in seen:
            yield Refusal(
                name, "names of layers must differ not in upper and lower case alone", "two", _OTHER
            )
        seen.add(name.lower())


def _graph_called_twice(graph: keras.Model, settings: FirmwareSettings) -> Iterator[Refusal]:
    yield from _called_twice(graph)


def _layers_without_exact_form(model: ScoringModel) -> Iterator[Refusal]:
    for layer in (layer for network in model.networks for layer in network.layers):
        if isinstance(layer, keras.layers.InputLayer):
            continue
        try:
            exact_operation(layer)
        except Refusal as refusal:
            yield refusal


def _missing_input_quantizers(model: ScoringModel) -> Iterator[Refusal]:
    """Otherwise Keras would see bits that the firmware does not have."""
    for network in model.networks:
        inputs = producers(network.inputs)
        for layer in network.layers:
            behind = [name for name in _sources(layer) if name in inputs]
            if behind and not is_quantizer(layer):
                yield Refusal(
                    layer.name,
                    f"a quantizer must stand between the input '{behind[0]}' and the layer",
                    "none",
                    "put a QActivation there",
                )


def _missing_names(model: ScoringModel) -> Iterator[Refusal]:
    """The trigger graph finds what scores are made of by name."""
    expected = ["encoder_input_format", "latent_mean_format"]
    expected += ["encoder_condition_format"] if model.condition_dim else []
    if isinstance(model, Autoencoder):
        expected += ["decoder_input_format", "reconstruction_format"]
        expected += ["decoder_condition_format"] if model.condition_dim else []
    names = [layer.name for network in model.networks for layer in network.layers]
    quantizers = {
        layer.name for network in model.networks for layer in network.layers if is_quantizer(layer)
    }
    for name in expected:
        if name not in quantizers:
            found = "another layer" if name in names else "none"
            yield Refusal(name, "a quantizer must have this name", found, _BUILD)
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield Refusal(
            name, "encoder and decoder must have layers of different names", "both", _BUILD
        )


def _coarser_code(model: ScoringModel) -> Iterator[Refusal]:
    """The decoder takes the code as the encoder gives it."""
    if not isinstance(model, Autoencoder):
        return
    given, taken = (
        quantizer_format(network.get_layer(name).activation)
        for network, name in (
            (model.encoder, "latent_mean_format"),
            (model.decoder, "decoder_input_format"),
        )
    )
    if taken.step > given.step or taken.low > given.low or taken.high < given.high:
        yield Refusal(
            "decoder_input_format",
            f"format must hold every value of 'latent_mean_format', {given}",
            taken,
            "give both the same",
        )


def _unrolled_weights(graph: keras.Model, settings: FirmwareSettings) -> Iterator[Refusal]:
    if settings.strategy != "latency":
        return
    others = [name for name in TARGETS[settings.backend].strategies if name != "latency"]
    for layer in graph.layers:
        n_weights = math.prod(layer.kernel.shape) if hasattr(layer, "kernel") else 0
        if n_weights > MAX_UNROLLED:
            yield Refusal(
                layer.name,
                f"weights must be <= {MAX_UNROLLED} for strategy 'latency'",
                n_weights,
                f"choose firmware.strategy {' or '.join(map(repr, others))}",
            )


def _registered_arrays(graph: keras.Model, settings: FirmwareSettings) -> Iterator[Refusal]:
    """In io_parallel every array is parted into registers, in io_stream those of dense layers."""
    for layer in graph.layers:
        n_values = math.prod(layer.output.shape[1:])
        if settings.io_type == "io_parallel" and n_values > MAX_UNROLLED:
            yield Refusal(
                layer.name,
                f"values of an event must be <= {MAX_UNROLLED} for io_type 'io_parallel'",
                n_values,
                "choose firmware.io_type 'io_stream'",
            )
        elif settings.io_type == "io_stream" and type(layer).__name__ == "QDense":
            n_values = max(layer.kernel.shape)
            if n_values > MAX_UNROLLED:
                yield Refusal(
                    layer.name,
                    f"inputs and outputs of a dense layer must be <= {MAX_UNROLLED}",
                    n_values,
                    "pool before it, or use fewer units",
                )


def _fused_quantizers(graph: keras.Model, settings: FirmwareSettings) -> Iterator[Refusal]:
    """A quantizer becomes the type of the layer before, if that is its own and not one itself."""
    quantizers = [layer for layer in graph.layers if is_quantizer(layer)]
    names = {layer.name for layer in quantizers}
    consumers = [name for layer in graph.layers for name in _sources(layer)]
    for layer in quantizers:
        (source,) = _sources(layer)
        # hls4ml looks through what only renames values.
        while isinstance(graph.get_layer(source), keras.layers.Flatten | keras.layers.Reshape):
            (source,) = _sources(graph.get_layer(source))
        port = graph.get_layer(source)
        form = quantizer_format(layer.activation)
        if isinstance(port, HardwareInput) and port.input_format != form:
            yield Refusal(
                layer.name,
                f"format behind the input '{source}' must be the input's, {port.input_format}, "
                "because hls4ml makes it the port's",
                form,
                "give both the same",
            )
        elif source in producers(graph.outputs):
            yield Refusal(
                layer.name,
                f"a quantizer must not stand behind '{source}', an output of the graph",
                "one",
                "let the output be the quantized values",
            )
        elif source in names:
            yield Refusal(
                layer.name,
                "a quantizer must not follow another",
                f"'{source}' before it",
                "leave one of the two out",
            )
        elif settings.io_type == "io_stream" and consumers.count(source) > 1:
            yield Refusal(
                layer.name,
                f"a quantizer must be alone behind its layer '{source}' for io_type 'io_stream'",
                f"{consumers.count(source)} layers behind it",
                "choose 'io_parallel', or let the others take the quantized values",
            )


def _single_bits(graph: keras.Model, settings: FirmwareSettings) -> Iterator[Refusal]:
    """hls4ml makes a bit of ac_fixed two bits, which round elsewhere."""
    if BACKENDS[settings.backend].types != "ac":
        return
    for layer in filter(is_quantizer, graph.layers):
        form = quantizer_format(layer.activation)
        if form.width < 2:
            yield Refusal(
                layer.name,
                f"format must have at least 2 bits for backend {settings.backend}",
                form,
                "use wider formats or backend Vitis",
            )


def _averages(graph: keras.Model, settings: FirmwareSettings) -> Iterator[Refusal]:
    """hls4ml sums pixels of ac_fixed in their own type, and cuts the mean to its last bit."""
    if BACKENDS[settings.backend].types != "ac":
        return
    for layer in graph.layers:
        if isinstance(layer, keras.layers.AveragePooling2D):
            yield Refusal(
                layer.name,
                f"pooling must be by maximum for backend {settings.backend}",
                "a mean",
                "choose pooling 'max' or backend Vitis",
            )


def _coarse_tables(graph: keras.Model, settings: FirmwareSettings) -> Iterator[Refusal]:
    for layer in graph.layers:
        if isinstance(layer, LookupTable) and layer.max_error > MAX_TABLE_ERROR:
            yield Refusal(
                layer.name,
                f"error of a table must be <= {MAX_TABLE_ERROR:g}",
                f"{layer.max_error:g}",
                "lower firmware.table_error",
            )


def _sources(layer: keras.Layer) -> tuple[str, ...]:
    return () if isinstance(layer, keras.layers.InputLayer) else producers(layer.input)


_GRAPH_RULES: tuple[Callable[[keras.Model, FirmwareSettings], Iterator[Refusal]], ...] = (
    _graph_called_twice,
    _cpp_names,
    _fused_quantizers,
    _unrolled_weights,
    _registered_arrays,
    _single_bits,
    _averages,
    _coarse_tables,
)
