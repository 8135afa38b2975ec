"""What hls4ml 1.3's bit-exact pass gets wrong for trigger graphs, mended in place.

Importing this module replaces parts of hls4ml that have no public hook. So that nothing is replaced
in a hls4ml that works otherwise, it is refused unless it has them.
"""

from __future__ import annotations

import hls4ml
import numpy as np
from hls4ml.model.layers import ZeroPadding2D
from hls4ml.model.optimizer.passes import bit_exact
from hls4ml.model.optimizer.passes.hgq_proxy_model import FixedPointQuantizer
from hls4ml.utils import qinterval

_VERSIONS = ("1.3.",)
_NEEDED = (
    (bit_exact, "_produce_kif"),
    (bit_exact, "produce_kif"),
    (bit_exact, "get_input_kifs"),
    (bit_exact, "get_input_layers"),
    (qinterval, "_minimal_f"),
)


def check_hls4ml(version: str = hls4ml.__version__) -> None:
    """Raise ImportError unless hls4ml is one that this module was made for."""
    missing = [f"{where.__name__}.{name}" for where, name in _NEEDED if not hasattr(where, name)]
    if missing or not version.startswith(_VERSIONS):
        found = f"{version} without {', '.join(missing)}" if missing else version
        raise ImportError(
            f"hls4ml must be {' or '.join(f'{v}*' for v in _VERSIONS)}, whose bit-exact pass is "
            f"mended here, got {found}: pip install 'hls4ml==1.3.0'"
        )


check_hls4ml()

Bits = tuple[np.ndarray, np.ndarray, np.ndarray]


@bit_exact._produce_kif.register
def _(node: ZeroPadding2D) -> Bits:
    names = ("pad_top", "pad_bottom"), ("pad_left", "pad_right")
    padding = [*(tuple(int(node.attributes[name]) for name in pair) for pair in names), (0, 0)]
    k, i, f = (np.pad(bits, padding) for bits in bit_exact.get_input_kifs(node)[0])
    return k, i, f


def fractional_bits(constants: np.ndarray) -> np.ndarray:
    """How many bits behind the point each constant needs; -31 for zero, and at the least.

    hls4ml 1.3.0 looks no further than 32, and truncates weights and thresholds that have more.
    """
    mantissa, exponent = np.frexp(np.abs(np.asarray(constants, np.float64)))
    units = (mantissa * 2.0**53).astype(np.int64)
    last = np.frexp((units & -units).astype(np.float64))[1] - 1
    bits: np.ndarray = np.where(units == 0, -31, np.maximum(53 - exponent - last, -31))
    return bits.astype(np.int16)


qinterval._minimal_f = fractional_bits

_shrink = bit_exact._produce_kif.dispatch(FixedPointQuantizer)


@bit_exact._produce_kif.register
def _(node: FixedPointQuantizer) -> Bits:
    """The format that quantizes alike: the one asked for, or without bits that stay empty.

    hls4ml 1.3.0 finds the bits of each element, but makes one format of the largest width and the
    most integer bits, which may be of different elements. Where the input overflows it drops last
    bits that only the largest value has, or takes the result for zero.
    """
    asked_for = node.mask_kbi
    signed, width, integer = (int(np.max(mask)) for mask in asked_for)
    k, i, f = _shrink(node)
    if (node.RND, node.SAT) != ("RND_CONV", "SAT"):
        # What the bits that stay empty are in other modes, it does not say, and drops some.
        node.mask_kbi = asked_for
        whole = signed, integer - signed, width - integer
        return tuple(np.full_like(part, bits) for part, bits in zip((k, i, f), whole, strict=True))
    _, arriving, _ = bit_exact.produce_kif(bit_exact.get_input_layers(node)[0])
    not_zero = k + i + f > 0
    if np.any(arriving > integer - signed):
        # It saturates.
        node.mask_kbi = asked_for
        whole = signed, integer - signed, width - integer
        k, i, f = (np.full_like(part, bits) for part, bits in zip((k, i, f), whole, strict=True))
    elif np.any(not_zero):
        most = [int(np.max(part[not_zero])) for part in (k, i, f)]
        # One bit of ac_fixed is two bits to hls4ml, which round elsewhere.
        most[1] += sum(most) == 1 and most[1] < integer - signed
        node.mask_kbi = tuple(
            np.full_like(asked_for[0], value) for value in (most[0], sum(most), sum(most[:2]))
        )
    return k, i, f
