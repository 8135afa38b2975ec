"""Front ends by name: each a YAML file of the package, or of the user."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

from keras_ae.errors import InputError
from keras_ae.front_end.front_end import FrontEnd
from keras_ae.yaml_files import load_mapping, validate_settings

_FOLDER = Path(str(files("keras_ae") / "front_end" / "presets"))


def preset_names() -> tuple[str, ...]:
    """Of the front ends that come with the package."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.yaml")))


def load_front_end(given: str | Path | dict[str, Any] | FrontEnd) -> FrontEnd:
    """A front end by the name of a preset, from a YAML file, or from what such a file holds.

    A mapping may begin with `preset`, a name or file, and say what is different there:
    `{preset: cms_ugt_run3, packed: true}`.

    Raises:
        FileNotFoundError: there is no such file.
        InputError: neither a preset nor a path, or a mistake in the file.
    """
    if isinstance(given, FrontEnd):
        return given
    if not isinstance(given, dict):
        path = _path_of(given)
        return validate_settings(FrontEnd, load_mapping(path, "front end"), str(path))
    others = {key: value for key, value in given.items() if key != "preset"}
    if "preset" in given:
        others = _merged(load_mapping(_path_of(given["preset"]), "front end"), others)
    return validate_settings(FrontEnd, others, "front_end")


def _merged(content: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """A mapping of mappings, with changes at any depth."""
    found = dict(content)
    for key, value in changes.items():
        both = isinstance(found.get(key), dict) and isinstance(value, dict)
        found[key] = _merged(found[key], value) if both else value
    return found


def _path_of(given: Any) -> Path:
    """The file of a preset, or of the user's own."""
    text = str(given)
    if text in preset_names():
        return _FOLDER / f"{text}.yaml"
    if Path(text).suffix not in (".yaml", ".yml"):
        raise InputError(
            f"front_end must be one of {', '.join(preset_names())}, a YAML file or a mapping, got "
            f"{text!r}"
        )
    return Path(text)
