"""What is shown of a production: acceptance, effective number, rate, expected end."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pytest

from keras_ae.generator.progress import Progress, Tally


def test_tally_adds_chunks_up() -> None:
    tally = Tally()
    tally.add(np.array([1, 1, 1, 2]), {"n_simulated": 1000, "n_accepted": 5})
    tally.add(np.array([7, 8]), {"n_simulated": 500, "n_accepted": 2})
    assert (tally.n_items, tally.n_simulated, tally.n_accepted) == (6, 1500, 7)
    assert tally.acceptance == pytest.approx(7 / 1500)
    # Groups of 3, 1, 1, 1.
    assert tally.effective == pytest.approx(36 / 12)


def test_expected_end_and_table(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress({"qcd": 400, "tt": 100}, n_workers=2, unit="event")
    record = {"n_simulated": 10_000, "n_accepted": 100}
    progress.add("qcd", np.arange(100), record, seconds=None)
    assert progress.expected_end() == "end unknown until the first of qcd are there"
    progress.add("qcd", np.arange(100) // 2, record, seconds=600.0)
    assert progress.expected_end() == "end unknown until the first of tt are there"
    progress.add("tt", np.arange(100), record, seconds=10.0)
    # 200 multijets are left, at 1 in 6 seconds of each of 2 workers.
    expected = datetime.now() + timedelta(seconds=600)
    shown = progress.expected_end().removeprefix("end expected ")
    minutes = {f"{expected + timedelta(seconds=shift):%d %b %H:%M}" for shift in (-2, 0)}
    assert shown in minutes
    progress.close()
    captured = capsys.readouterr()
    assert not captured.out
    rows = [line.split("  ") for line in captured.err.splitlines()]
    cells = [[cell.strip() for cell in row if cell] for row in rows]
    assert cells == [
        ["process", "events", "effective", "acceptance", "rate of a worker"],
        ["qcd", "200", "133", "1.00e-02", "0.167/s"],
        ["tt", "100", "100", "1.00e-02", "10/s"],
    ]
