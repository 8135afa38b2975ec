"""Training ends at a loss that is not finite, with the epoch and the term."""

from __future__ import annotations

import keras
import numpy as np

from keras_ae.errors import InputError


class StopAtNonFiniteLoss(keras.callbacks.Callback):
    """Raises InputError after an epoch in which a term of the objective is NaN or infinite."""

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        bad = [name for name, value in (logs or {}).items() if not np.isfinite(value)]
        if bad:
            # The loss is only the sum: a term says more.
            name = min(bad, key=lambda name: name.endswith("loss"))
            raise InputError(
                f"{name} must be finite, got {(logs or {})[name]} in epoch {epoch + 1}: "
                "lower the learning rate or check the scaling of data and weights"
            )
