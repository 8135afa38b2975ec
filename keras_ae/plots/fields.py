"""Fields of events, the signals beside the background."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from keras_ae.audit.audit import Audit
from keras_ae.errors import InputError
from keras_ae.plots.figure import save

#: Shares of all values between which they are shown; those beyond are in the outermost bins.
_ENDS = (0.001, 0.999)
_N_BINS = 60


def field_distributions(
    values: Mapping[str, np.ndarray], field: str, unit: str = "", step: float | None = None
) -> Figure:
    """Normalized distribution of a field in every sample.

    Args:
        values: in physical units, (n,) by sample; a sample without values is left out.
        field: its name, such as `jet.pt`.
        unit: in which the values are.
        step: distance of neighbouring values, where there is one: bins are of whole steps.

    Raises:
        InputError: no sample has values.
    """
    shown = {sample: np.asarray(each) for sample, each in values.items() if len(each)}
    if not shown:
        raise InputError(f"values of field '{field}' must be of one sample at least, got none")
    ends = np.array([np.quantile(each, _ENDS) for each in shown.values()])
    bins = _bins(ends[:, 0].min(), ends[:, 1].max(), step)
    figure = Figure(figsize=(5, 4), layout="constrained")
    axes = figure.subplots()
    for sample, each in shown.items():
        axes.hist(
            # The upper end of the last bin belongs to it.
            np.clip(each, bins[0], bins[-1]),
            bins.tolist(),
            density=True,
            histtype="step",
            label=f"{sample} ({len(each)})",
        )
    axes.set(yscale="log", xlabel=f"{field} [{unit}]" if unit else field, ylabel="density")
    axes.legend()
    return figure


def save_field_figures(audit: Audit, folder: Path, suffix: str = ".png") -> None:
    """Write a figure of each field that an audit has seen values of: `jet.pt.png` in a folder.

    In the format of the suffix.
    """
    folder.mkdir(parents=True, exist_ok=True)
    fields = {column.group: column.field for column in audit.front_end.columns}
    for name, field in fields.items():
        values = audit.values(name)
        if any(len(each) for each in values.values()):
            form = field.format
            step = None if form is None else form.step * field.last_bit.value
            save(field_distributions(values, name, field.unit, step), folder / f"{name}{suffix}")


def _bins(low: float, high: float, step: float | None) -> np.ndarray:
    """Edges; between values, where those have steps."""
    if not step:
        return np.linspace(low, high if high > low else low + 1, _N_BINS + 1)
    n_steps = max(round((high - low) / step), 0) + 1
    width = -(-n_steps // _N_BINS)
    return np.asarray(low + step * (width * np.arange(-(-n_steps // width) + 1) - 0.5))
