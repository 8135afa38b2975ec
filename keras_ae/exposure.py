"""Outliers made up of background alone, beside which a student learns: outlier exposure.

After Hendrycks, Mazeika & Dietterich, arXiv:1812.04606; CMS CICADA trains its students so. No
signal has a part in it.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import BeforeValidator, Field

from keras_ae.augmentations import Augmentation, augmented, check_steps
from keras_ae.errors import InputError
from keras_ae.front_end.front_end import FrontEnd
from keras_ae.section import Section, as_tuple


class Exposure(Section):
    """Made-up events beside the background that a student learns from.

    `share` of all events are made up: background events to which `steps` are done, one after the
    other. `seed`, with that of the run, decides which.
    """

    share: float = Field(0.5, gt=0, le=0.99)
    steps: Annotated[tuple[Augmentation, ...], BeforeValidator(as_tuple)] = Field(min_length=1)
    seed: int = Field(0, ge=0)

    def check(self, front_end: FrontEnd, path: str = "steps") -> None:
        """Raise InputError for what the front end has not; `path` is that of the steps."""
        check_steps(self.steps, front_end, path)

    def n_made_up(self, n_events: int) -> int:
        """How many there are beside `n_events` of background."""
        return round(n_events * self.share / (1 - self.share))

    def make(
        self, front_end: FrontEnd, background: np.ndarray, seed: tuple[int, ...]
    ) -> tuple[np.ndarray, np.ndarray]:
        """As many events as `share` asks for, (events, n_values), of background.

        Beside them the number (events,) of the background event that each was made of. What others
        gave to it does not count.

        Args:
            front_end: whose hardware values the events are.
            background: (events, n_values).
            seed: integers, beside the exposure's own.

        Raises:
            InputError: a step that needs what the front end has not, or no background.
        """
        self.check(front_end)
        if len(background) == 0:
            raise InputError("background must hold at least one event, got 0")
        rng = np.random.default_rng([self.seed, *seed])
        n_events = self.n_made_up(len(background))
        origin = rng.integers(len(background), size=n_events)
        return augmented(front_end, background[origin], background, self.steps, rng), origin
