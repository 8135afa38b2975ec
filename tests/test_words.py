"""Ports as bits: words of 32 bits and hexadecimal numbers of the same values."""

from __future__ import annotations

import numpy as np
import pytest

from hls.graph.interface import Port
from hls.proof.stress import stress_events
from hls.rtl.words import from_words, to_hexadecimal, to_words
from keras_ae.fixed_point import FixedPointFormat

FORMATS = ["fixed<13,13>", "ufixed<1,1>", "fixed<40,20>", "ufixed<53,3>", "fixed<7,-2>"]


@pytest.mark.parametrize("text", FORMATS)
@pytest.mark.parametrize("n_values", [1, 5, 32])
def test_two_s_complement_the_first_value_lowest(text: str, n_values: int) -> None:
    form = FixedPointFormat.parse(text)
    port = Port.of("port", form, (n_values,))
    values = stress_events(form, (n_values,), 200, seed=1)
    expected = [
        sum(
            (int(value / form.step) % 2**form.width) << (form.width * place)
            for place, value in enumerate(event)
        )
        for event in values.tolist()
    ]
    words = to_words(values, port)
    assert words.shape == (200, port.n_words)
    assert [sum(int(w) << (32 * i) for i, w in enumerate(row)) for row in words] == expected
    assert to_hexadecimal(values, port) == [f"{number:x}" for number in expected]
    if n_values == 1:
        np.testing.assert_array_equal(from_words(words, form), values[:, 0])
