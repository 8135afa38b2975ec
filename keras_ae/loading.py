"""TensorFlow, set up the same in every process and without its greetings."""

from __future__ import annotations

import logging
import os
import sys


def set_environment() -> None:
    """What TensorFlow and Keras read when they are imported."""
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # Its order of summation depends on the processor: off, the same seed gives the same weights.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")


def load_tensorflow() -> None:
    """Import it without its greetings, which ignore every log level."""
    set_environment()
    if "tensorflow" not in sys.modules:
        sys.stderr.flush()
        saved, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, 2)
            import tensorflow  # noqa: F401
        finally:
            os.dup2(saved, 2)
            os.close(saved)
            os.close(nowhere)
    # It takes each epoch's new iterator for a retracing.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
