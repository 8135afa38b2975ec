"""What is mended of hls4ml is mended only where it is what it was."""

from __future__ import annotations

import pytest
from hls4ml.utils import qinterval

from hls.cpp.overrides import check_hls4ml


def test_versions() -> None:
    check_hls4ml()
    check_hls4ml("1.3.7")
    with pytest.raises(ImportError, match=r"hls4ml must be 1.3.\*, .*, got 1.4.0: pip install"):
        check_hls4ml("1.4.0")


def test_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(qinterval, "_minimal_f")
    with pytest.raises(ImportError, match="got 1.3.0 without hls4ml.utils.qinterval._minimal_f"):
        check_hls4ml()
