"""YAML files, and the mistakes in them: one line with dotted path, rule, value and choices."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from keras_ae.errors import InputError

Model = TypeVar("Model", bound=BaseModel)

#: Far more than any settings have: of a file that holds more, reading it would be all that is done.
_MAX_DEPTH, _MAX_ENTRIES = 50, 100_000

#: In the words of the YAML file instead of pydantic's.
_RULES = {
    "model_type": "must be a mapping of keys",
    "dict_type": "must be a mapping of keys",
    "model_attributes_type": "must be a mapping of keys",
    "tuple_type": "must be a list",
    "too_short": "must have more entries",
    "float_type": "must be a number (in YAML 1.0e-3, not 1e-3)",
}


class _UniqueKeyLoader(yaml.SafeLoader):
    """Refuses a key that stands twice, of which YAML would silently take the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        # What `<<` merges in may stand again, in its place.
        nodes = [key for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        keys = [self.construct_object(key, deep=True) for key in nodes]
        for index, key in enumerate(keys):
            if key in keys[:index]:
                mark = nodes[index].start_mark
                raise yaml.MarkedYAMLError(problem=f"key {key!r} stands twice", problem_mark=mark)
        return super().construct_mapping(node, deep)


def load_mapping(path: Path, kind: str) -> dict[str, Any]:
    """What a YAML file holds; `kind` is what the file is called where it is missing.

    Raises:
        FileNotFoundError: there is no such file.
        InputError: not YAML, a key that stands twice, or no mapping.
    """
    if path.is_dir():
        raise InputError(f"{path} must be a YAML file, got a directory")
    if not path.is_file():
        raise FileNotFoundError(f"{kind} file not found: {path}")
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _UniqueKeyLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        raise InputError(f"{path} must be YAML: {error.problem}, in line {line}") from error
    # A number of more digits than Python reads is a ValueError.
    except (yaml.YAMLError, UnicodeDecodeError, ValueError) as error:
        raise InputError(f"{path} must be YAML: {str(error).splitlines()[0]}") from error
    except RecursionError:
        raise InputError(f"{path} must be nested at most {_MAX_DEPTH} deep, got more") from None
    if not isinstance(content, dict):
        raise InputError(f"{path} must hold a mapping of sections, got {type(content).__name__}")
    _check_size(content, path)
    return content


def _check_size(content: Any, path: Path) -> None:
    """Raise InputError for more than settings are; what an alias repeats counts each time."""
    n_entries, waiting = 0, [(content, 0)]
    while waiting:
        value, depth = waiting.pop()
        entries = list(value.values()) if isinstance(value, dict) else value
        if not isinstance(entries, list):
            continue
        n_entries += len(entries)
        if depth >= _MAX_DEPTH:
            raise InputError(f"{path} must be nested at most {_MAX_DEPTH} deep, got more")
        if n_entries > _MAX_ENTRIES:
            raise InputError(f"{path} must have at most {_MAX_ENTRIES} entries, got more")
        waiting += [(entry, depth + 1) for entry in entries]


def dump_mapping(content: dict[str, Any]) -> str:
    """As YAML, in the order of `content`."""
    return yaml.safe_dump(content, sort_keys=False)


def validate_settings(model: type[Model], content: dict[str, Any], subject: str) -> Model:
    """`content` as a `model`.

    Raises:
        InputError: the first of its faults, with subject, dotted path, rule, value and choices.
    """
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise InputError(f"{subject}: {_first_fault(model, content, error)}") from None


def _first_fault(model: type[BaseModel], content: dict[str, Any], error: ValidationError) -> str:
    fault = _most_telling(error.errors(include_url=False))
    location, found = _follow(model, content, fault["loc"])
    path = ".".join(location)
    cause = fault.get("ctx", {}).get("error")
    if fault["type"] == "extra_forbidden":
        choices = ", ".join(found.model_fields) if found else ""
        return f"unknown key {path}; choices: {choices}"
    if fault["type"] == "missing":
        return f"missing key {path}"
    if fault["type"] == "union_tag_not_found":
        return f"missing key {path}.kind"
    if fault["type"].startswith("union_tag"):
        found_tag, tags = fault["ctx"]["tag"], fault["ctx"]["expected_tags"]
        return f"{path}.kind must be one of {tags}, got '{found_tag}'"
    if isinstance(cause, InputError):
        # A rule that names its own key needs only the sections before it.
        if location and str(cause).startswith(location[-1]):
            return ".".join([*location[:-1], str(cause)])
        return f"{path}: {cause}" if path else str(cause)
    rule = _RULES.get(fault["type"], f"{fault['msg'][0].lower()}{fault['msg'][1:]}")
    return f"{path}: {rule}, got {_in_yaml(fault['input'])}"


def _in_yaml(value: Any) -> str:
    """A value that was given, as its file says it where Python says it otherwise."""
    if value is None:
        return "null"
    return "none" if isinstance(value, tuple | list | dict) and not value else repr(value)


def _most_telling(faults: list[Any]) -> Any:
    """The first; where that is of a union without tags, the alternative that comes farthest.

    A key that is missing may be one that is written wrong beside it.
    """
    if faults[0]["type"] == "missing":
        beside = faults[0]["loc"][:-1]
        for fault in faults:
            if fault["type"] == "extra_forbidden" and fault["loc"][:-1] == beside:
                return fault
    steps = faults[0]["loc"]
    place = next((n for n, part in enumerate(steps) if _is_alternative(part)), None)
    if place is None:
        return faults[0]
    same = (fault for fault in faults if fault["loc"][:place] == steps[:place])
    return max(same, key=lambda fault: len(fault["loc"]))


def _is_alternative(part: Any) -> bool:
    """Whether a part of pydantic's location is a type of a union, not a key."""
    return isinstance(part, str) and part.startswith(("literal[", "dict["))


def _follow(
    model: type[BaseModel], content: dict[str, Any], location: tuple[Any, ...]
) -> tuple[list[str], type[BaseModel] | None]:
    """The keys of pydantic's location, without the tags of unions, and the last section in it."""
    keys: list[str] = []
    section: type[BaseModel] | None = model
    candidates: list[type[BaseModel]] = []
    for part in location:
        if _is_alternative(part):
            continue
        tagged = [c for c in candidates if part in get_args(c.model_fields["kind"].annotation)]
        if tagged:
            section, candidates = tagged[0], []
            continue
        keys.append(str(part))
        if section and part in section.model_fields:
            sections = sections_in(section.model_fields[part].annotation)
            section = sections[0] if len(sections) == 1 else None
            if section is not None and hasattr(section, "class_for"):
                # Which class it is follows from what it says.
                section = section.class_for(content.get(part))
            candidates = [c for c in sections if "kind" in c.model_fields]
    # An unknown key stands behind the section that it is unknown to.
    if section is None and len(keys) == 1:
        section = model
    return keys, section


def sections_in(annotation: Any) -> list[type[BaseModel]]:
    """The sections that a field of this annotation can hold."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [section for part in get_args(annotation) for section in sections_in(part)]
