"""What the tests share: quiet TensorFlow, a small experiment on the shipped sample, a short run."""

from __future__ import annotations

import copy
import fcntl
import os
import shutil
import sys
from collections.abc import Callable

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

CONFIGS = Path(__file__).parents[1] / "configs"


@pytest.fixture(autouse=True)
def seeded() -> None:
    """What a test does not seed itself, such as Keras' shuffling, is the same in every run."""
    if "keras" in sys.modules:
        sys.modules["keras"].utils.set_random_seed(1)


@pytest.fixture(scope="session")
def small_experiment() -> dict[str, Any]:
    """configs/l1_vae.yaml as a dictionary, cut down to seconds."""
    content = yaml.safe_load((CONFIGS / "l1_vae.yaml").read_text(encoding="utf-8"))
    content["data"] |= {"max_events": 3000, "train_fraction": 0.5, "validation_fraction": 0.2}
    content["trigger"]["target_fpr"] = 0.05
    content["architecture"]["hidden_dims"] = [16, 8]
    content["training"] |= {"epochs": 2}
    content["quantization"] |= {"epochs": 1}
    return content


@pytest.fixture(scope="session")
def foreign() -> Path:
    """The folder of files of others, which are no part of this project."""
    folder = os.environ.get("KERAS_AE_FOREIGN_DATA")
    if folder is None:
        pytest.skip("KERAS_AE_FOREIGN_DATA does not name the folder of files of others")
    return Path(folder)


@pytest.fixture
def experiment_content(small_experiment: dict[str, Any]) -> dict[str, Any]:
    """A copy of the small experiment, to change at will."""
    return copy.deepcopy(small_experiment)


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A folder that one process of a test run makes for all of them, which only read it."""
    root = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent
    folder = root / name
    with (root / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "made").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            (folder / "made").touch()
    return folder


def run_chain(folder: Path, content: dict[str, Any]) -> None:
    """The whole chain of an experiment on the command line, into `folder`/run."""
    from hls import cli

    config = folder / "experiment.yaml"
    # The order of fields on the wires is theirs in the file.
    config.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    with pytest.raises(SystemExit) as caught:
        cli.main(["run", str(config), "--run-dir", str(folder / "run")])
    assert not caught.value.code


@pytest.fixture(scope="session")
def finished_run(
    small_experiment: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The run directory of a whole chain. Tests that change it work on a copy."""
    folder = made_once(
        tmp_path_factory, "chain", lambda folder: run_chain(folder, small_experiment)
    )
    return folder / "run"


@pytest.fixture
def run_copy(finished_run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished_run, tmp_path / "copy"))


@pytest.fixture
def events() -> np.ndarray:
    """Background hardware integers (3000, 57) of the shipped sample."""
    from trigger_objects import hardware_of

    from keras_ae.data.l1 import read_l1_events
    from keras_ae.data.source import resolve_path

    return hardware_of(read_l1_events(resolve_path("package:l1/background.h5"), 3000).objects)


class Interruption(Exception):
    """Ends a training as Ctrl-C does."""


@pytest.fixture
def interrupted_fit(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Of an epoch and the arguments of `fitting.fit`: a training that ends as the epoch begins."""
    from keras_ae.fitting import fit as fitting

    def fit(epoch: int, *arguments: Any, **options: Any) -> None:
        class Interrupting(fitting.Batches):
            def on_epoch_begin(self, number: int, logs: object = None) -> None:
                if number == epoch:
                    raise Interruption
                super().on_epoch_begin(number)

        with monkeypatch.context() as patch, pytest.raises(Interruption):
            patch.setattr(fitting, "Batches", Interrupting)
            fitting.fit(*arguments, **options)

    return fit


@pytest.fixture
def assert_resumed_is_whole(
    interrupted_fit: Callable[..., None], tmp_path: Path
) -> Callable[..., None]:
    """An interruption before an epoch, and the same training again, end at the same weights."""
    from keras_ae.fitting import fit as fitting

    def check(epoch: int, make_model: Callable[[], Any], *arguments: Any) -> None:
        def fit(model: Any, name: str) -> Any:
            options = {"seed": 1, "checkpoint": tmp_path / name, "progress": False}
            return fitting.fit(model, *arguments, **options)

        whole, resumed = make_model(), make_model()
        history = fit(whole, "whole")
        interrupted_fit(epoch, make_model(), *arguments, 1, tmp_path / "resumed", progress=False)
        assert fit(resumed, "resumed") == history
        for a, b in zip(whole.get_weights(), resumed.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)

    return check
