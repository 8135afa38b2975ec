"""The events that settings name, as the trigger's wires carry them, and what is odd in them."""

from __future__ import annotations

from keras_ae.audit.audit import Audit
from keras_ae.data.dataset import Dataset, load_dataset
from keras_ae.errors import InputError
from keras_ae.metrics import check_rate
from keras_ae.settings.adoption import RunSettings


def load_events(settings: RunSettings) -> Dataset:
    """Background in three parts and signals; raises as `load_dataset` does."""
    return load_dataset(settings.data, settings.front_end, settings.seed, settings.counts)


def audited_events(settings: RunSettings) -> tuple[Dataset, Audit | None]:
    """The same, and an audit that has seen them; none of arrays without a front end."""
    front_end = settings.wires
    audit = None if front_end is None else Audit(front_end, settings.used_columns)
    data = load_dataset(settings.data, front_end, settings.seed, settings.counts, audit)
    return data, audit


def check_against_events(settings: RunSettings, data: Dataset) -> None:
    """Raise InputError where settings ask for what the events do not give.

    Too few of them to set a threshold for its rate, or for what teaches a student to learn from, or
    a signal that is not there.
    """
    subject = "the validation part of data.background"
    for fpr in (settings.trigger.fpr, *settings.trigger.fprs.values()):
        check_rate(len(data.validation), fpr, subject)
    for name in settings.report.background_like:
        if name not in data.signals:
            raise InputError(
                f"report.background_like must name signals, got '{name}'; choices: "
                f"{', '.join(data.signals) or 'none, the data have no signals'}"
            )
    student = getattr(settings, "student", None)
    if student is not None:
        student.check_events(len(data.train))
