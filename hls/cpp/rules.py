"""What a trigger graph must keep to, so that hls4ml's C++ is exact and can be synthesized.

Rules of a layer's arithmetic are where that is, in `hls.graph`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator

from hls.cpp.backends import BACKENDS
from hls.graph.layer_graph import LayerGraph
from hls.graph.layers.kernel_layers import Dense, KernelLayer
from hls.graph.layers.lookup_table import LookupTable
from hls.graph.layers.pooling_layers import AveragePooling
from hls.graph.layers.quantizer import Quantizer
from hls.graph.refusal import Refusal
from keras_ae.settings.firmware import FirmwareSettings
from keras_ae.settings.targets import TARGETS

#: Vendor HLS refuses to unroll a loop over more weights, or to part an array into more registers.
MAX_UNROLLED = 4096

#: Beyond, a table of a function that is of order 1 near 0 has too few entries there.
MAX_TABLE_ERROR = 2.0**-4

_OTHER = "choose another name"

#: Of variables of hls4ml's test bench, in which ports are variables, too.
_BENCH_NAMES = ("e", "i", "in", "pr")
#: Of hls4ml's variables and types.
_HLS4ML_NAMES = re.compile(
    r"[wb]\d+|input\d*|inputs|outputs|result|model_default|(layer|config|relu_config)\d+\w*"
)
#: NAME_t is a type of C's.
_C_TYPES = re.compile(
    r"blkcnt|blksize|clock|clockid|dev|div|errno|error|fpos|gid|id|ino|key|ldiv|max_align|mode|"
    r"nlink|nullptr|off|pid|ptrdiff|regoff|size|ssize|suseconds|time|timer|uid|useconds|wchar|"
    r"wctrans|wctype|wint|u?int(_fast|_least)?\d+|u?intmax|u?intptr"
)
_CPP_KEYWORDS = re.compile(
    r"alignas|alignof|and|asm|auto|bool|break|case|catch|char|class|const|constexpr|continue|"
    r"decltype|default|delete|do|double|else|enum|explicit|export|extern|false|float|for|"
    r"friend|goto|if|inline|int|long|mutable|namespace|new|noexcept|not|nullptr|operator|or|"
    r"private|protected|public|register|return|short|signed|sizeof|static|struct|switch|"
    r"template|this|throw|true|try|typedef|typename|union|unsigned|using|virtual|void|"
    r"volatile|while|xor|main|std|nnet|hls"
)


def check_graph(graph: LayerGraph, settings: FirmwareSettings) -> list[Refusal]:
    """What keeps a graph of exact layers from being converted or synthesized with `settings`."""
    return [refusal for rule in _GRAPH_RULES for refusal in rule(graph, settings)]


def _cpp_names(graph: LayerGraph, settings: FirmwareSettings) -> Iterator[Refusal]:
    """Names become those of types and variables, beside hls4ml's own."""
    seen: set[str] = set()
    ports = {*graph.input_names, *graph.output_names}
    for layer in graph.layers:
        name = layer.name
        if not re.fullmatch(r"[A-Za-z]\w*", name) or _CPP_KEYWORDS.fullmatch(name):
            yield Refusal(name, "the name of a layer must be one of C++", f"'{name}'", _OTHER)
        elif _C_TYPES.fullmatch(name):
            yield Refusal(name, f"'{name}_t' must not be a type of C", f"'{name}'", _OTHER)
        elif _HLS4ML_NAMES.fullmatch(name) or (name in ports and name in _BENCH_NAMES):
            yield Refusal(name, "the name of a layer must not be hls4ml's own", f"'{name}'", _OTHER)
        elif name.lower() in seen:
            yield Refusal(
                name, "names of layers must differ not in upper and lower case alone", "two", _OTHER
            )
        seen.add(name.lower())


def _inputs_given_out(graph: LayerGraph, settings: FirmwareSettings) -> Iterator[Refusal]:
    """Ports are arguments of one function."""
    for name in sorted(set(graph.input_names) & set(graph.output_names)):
        rule = "an input must not be an output, too"
        yield Refusal(name, rule, "both", "let a layer stand between")


def _unrolled_weights(graph: LayerGraph, settings: FirmwareSettings) -> Iterator[Refusal]:
    if settings.strategy != "latency":
        return
    others = [name for name in TARGETS[settings.backend].strategies if name != "latency"]
    for layer in graph.layers:
        n_weights = layer.kernel.size if isinstance(layer, KernelLayer) else 0
        if n_weights > MAX_UNROLLED:
            yield Refusal(
                layer.name,
                f"weights must be <= {MAX_UNROLLED} for strategy 'latency'",
                n_weights,
                f"choose firmware.strategy {' or '.join(map(repr, others))}",
            )


def _registered_arrays(graph: LayerGraph, settings: FirmwareSettings) -> Iterator[Refusal]:
    """In io_parallel every array is parted into registers, in io_stream those of dense layers."""
    for layer in graph.layers:
        n_values = math.prod(graph.grids[layer.name].shape)
        if settings.io_type == "io_parallel" and n_values > MAX_UNROLLED:
            yield Refusal(
                layer.name,
                f"values of an event must be <= {MAX_UNROLLED} for io_type 'io_parallel'",
                n_values,
                "choose firmware.io_type 'io_stream'",
            )
        elif settings.io_type == "io_stream" and isinstance(layer, Dense):
            n_values = max(layer.kernel.shape)
            if n_values > MAX_UNROLLED:
                yield Refusal(
                    layer.name,
                    f"inputs and outputs of a dense layer must be <= {MAX_UNROLLED}",
                    n_values,
                    "pool before it, or use fewer units",
                )


def _single_bits(graph: LayerGraph, settings: FirmwareSettings) -> Iterator[Refusal]:
    """hls4ml makes a bit of ac_fixed two bits, which round elsewhere."""
    if BACKENDS[settings.backend].types != "ac":
        return
    for layer in graph.layers:
        if isinstance(layer, Quantizer) and layer.form.width < 2:
            yield Refusal(
                layer.name,
                f"format must have at least 2 bits for backend {settings.backend}",
                layer.form,
                "use wider formats or backend Vitis",
            )


def _averages(graph: LayerGraph, settings: FirmwareSettings) -> Iterator[Refusal]:
    """hls4ml sums pixels of ac_fixed in their own type, and cuts the mean to its last bit."""
    if BACKENDS[settings.backend].types != "ac":
        return
    for layer in graph.layers:
        if isinstance(layer, AveragePooling):
            yield Refusal(
                layer.name,
                f"pooling must be by maximum for backend {settings.backend}",
                "a mean",
                "choose pooling 'max' or backend Vitis",
            )


def _coarse_tables(graph: LayerGraph, settings: FirmwareSettings) -> Iterator[Refusal]:
    for layer in graph.layers:
        if isinstance(layer, LookupTable) and layer.max_error > MAX_TABLE_ERROR:
            yield Refusal(
                layer.name,
                f"error of a table must be <= {MAX_TABLE_ERROR:g}",
                f"{layer.max_error:g}",
                "lower firmware.table_error",
            )


_GRAPH_RULES: tuple[Callable[[LayerGraph, FirmwareSettings], Iterator[Refusal]], ...] = (
    _cpp_names,
    _inputs_given_out,
    _unrolled_weights,
    _registered_arrays,
    _single_bits,
    _averages,
    _coarse_tables,
)
