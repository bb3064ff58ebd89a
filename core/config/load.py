"""Reading ``kollarm.yml``: all faults at once, each with its place and its remedy."""

from __future__ import annotations

import difflib
import json
import types
import typing
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from core.config.contradictions import Finding, Position, contradictions
from core.config.model import Architecture, Config
from core.errors import ConfigError, Fault

#: Looked for in the working directory when no ``--config`` is given.
DEFAULT_NAME = "kollarm.yml"


def load(path: Path) -> Config:
    """Read and check a configuration file.

    Relative paths in it come back absolute, taken from the file's own folder.

    :raises ConfigError: with every fault found, each with its line.
    """
    try:
        text = path.read_text()
    except FileNotFoundError:
        raise ConfigError(
            f"no configuration file {path}",
            hint="name one with --config, or start from examples/quickstart.yml",
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} can't be read: {error}") from error
    return parse(text, path)


def parse(text: str, path: Path) -> Config:
    """The configuration in *text*; *path* gives its folder and its name in faults.

    :raises ConfigError: as :func:`load`.
    """
    try:
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{path}:{mark.line + 1}" if mark else str(path)
        problem = getattr(error, "problem", None) or str(error)
        raise ConfigError(f"{path} is not valid YAML", [Fault(place, problem)]) from None
    if data is None:
        data = {}
    if not isinstance(data, dict):
        raise ConfigError(f"{path} must hold a mapping (key: value), not a {_kind(data)}")

    def where(position: Position) -> str:
        line = line_of(tree, position)
        return f"{path}:{line}: {dotted(position)}" if line else f"{path}: {dotted(position)}"

    faults = [
        Fault(where(position), f"{name!r} is written twice; the last one would silently win")
        for position, name in _twice(tree)
    ]
    config, wrong = _validate(data, path.resolve().parent)
    faults += [Fault(where(position), message, hint) for position, message, hint in wrong]
    if faults:
        raise _faulty(path, faults)
    return config


def _validate(data: dict[str, Any], folder: Path) -> tuple[Config, list[Finding]]:
    """The configuration as far as it is sound, and everything that isn't.

    What has a wrong shape is taken out and the rest validated again, so that
    impossible combinations elsewhere are found in the same run.
    """
    findings: list[Finding] = []
    removed: list[Position] = []
    data = json.loads(json.dumps(data, default=str))
    while True:
        text = json.dumps(data)
        try:
            # JSON's own strictness is meant: a string where a number belongs is a
            # fault, but an enumeration's value and a path are written as strings.
            config = Config.model_validate_json(text, context={"folder": folder})
            break
        except ValidationError as error:
            for item in error.errors():
                position = tuple(part for part in item["loc"] if part != "[key]")
                if not any(position[: len(gone)] == gone for gone in removed):
                    findings.append((position, *explain(item, position)))
                # A missing key can't be taken out: its whole section goes.
                gone = position[:-1] if item["type"] == "missing" else position
                removed.append(gone)
            _take_out(data, removed)
            if json.dumps(data) == text:
                raise  # not for what the file says: a default is wrong
    for finding in contradictions(config):
        position = finding[0]
        if not any(_spoils(gone, position) for gone in removed):
            findings.append(finding)
    return config, findings


def _spoils(gone: Position, position: Position) -> bool:
    """Whether what was taken out makes a finding at *position* meaningless.

    A default in its place says nothing, and a list that lost an item numbers
    the others anew.
    """
    of_list = isinstance(gone[-1], int) and position[: len(gone) - 1] == gone[:-1]
    return of_list or gone[: len(position)] == position


def _take_out(data: Any, positions: Sequence[Position]) -> None:
    for position in positions:
        holder = data
        for part in position[:-1]:
            try:
                holder = holder[part]
            except (KeyError, IndexError, TypeError):
                break
        else:
            last = position[-1]
            if isinstance(holder, dict):
                holder.pop(last, None)
            elif isinstance(holder, list) and isinstance(last, int) and last < len(holder):
                holder[last] = None  # keeps the others' numbers; removed below
    _drop_nones(data)


def _drop_nones(node: Any) -> None:
    if isinstance(node, dict):
        for value in node.values():
            _drop_nones(value)
    elif isinstance(node, list):
        node[:] = [item for item in node if item is not None]
        for item in node:
            _drop_nones(item)


def dotted(position: Position) -> str:
    """A position as people write it: ``guests[0].source.path``."""
    text = ""
    for part in position:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text or "(the whole file)"


def _faulty(path: Path, faults: Sequence[Fault]) -> ConfigError:
    count = "1 error" if len(faults) == 1 else f"{len(faults)} errors"
    return ConfigError(f"{path} has {count}", faults)


def _kind(value: object) -> str:
    return {list: "list", str: "string", int: "number", float: "number", bool: "boolean"}.get(
        type(value), type(value).__name__
    )


def explain(
    item: Any, position: Position, model: type[BaseModel] = Config
) -> tuple[str, str | None]:
    """What pydantic found, in words, and what to do.

    :param item: one of a ValidationError's errors.
    :param position: where in the data, for a model of this shape.
    """
    kind, value = item["type"], item.get("input")
    match kind:
        case "extra_forbidden":
            return "unknown key", _nearest(str(position[-1]), _known_keys(position[:-1], model))
        case "missing":
            return "is missing", "add it"
        case "string_type" if isinstance(value, int | float):
            return f"must be a string, not the number {value}", f'write it in quotes: "{value}"'
        case "enum" | "literal_error":
            expected = str(item["ctx"]["expected"]).replace(" or ", ", ").split(", ")
            hint = _nearest(str(value), [name.strip("'") for name in expected])
            return f"unknown value {value!r}", hint
        case "string_pattern_mismatch":
            return f"{value!r} has the wrong form", f"it must match {item['ctx']['pattern']}"
    message = str(item["msg"])
    return f"{message[:1].lower()}{message[1:]}, not {value!r}", None


def _nearest(wrong: str, known: Sequence[str]) -> str | None:
    """A remedy for a misspelt name."""
    close = difflib.get_close_matches(wrong, known, n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"known here: {', '.join(sorted(known))}" if known else None


def _known_keys(position: Position, model: type[BaseModel]) -> list[str]:
    """The keys that the model has at a position."""
    annotation: Any = model
    for part in position:
        annotation = _plain(annotation)
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            field = annotation.model_fields.get(str(part))
            if field is None:
                return []
            annotation = field.annotation
        else:  # a list's item, a mapping's value
            arguments = typing.get_args(annotation)
            if not arguments:
                return []
            annotation = arguments[-1]
    annotation = _plain(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return list(annotation.model_fields)
    if typing.get_origin(annotation) is dict and typing.get_args(annotation)[0] is Architecture:
        return [architecture.value for architecture in Architecture]
    return []


def _plain(annotation: Any) -> Any:
    """An annotation without its ``| None``."""
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is typing.Union:
        return next(a for a in typing.get_args(annotation) if a is not type(None))
    return annotation


def line_of(node: yaml.Node | None, position: Position) -> int | None:
    """The line (from 1) of the deepest part of a position that the file has."""
    line = None
    for part in position:
        if isinstance(node, yaml.MappingNode):
            found = next(((k, v) for k, v in node.value if k.value == str(part)), None)
            if found is None:
                break
            line, node = found[0].start_mark.line + 1, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            if part >= len(node.value):
                break
            node = node.value[part]
            line = node.start_mark.line + 1
        else:
            break
    return line


def _twice(node: yaml.Node | None, position: Position = ()) -> Iterator[tuple[Position, str]]:
    """Keys written twice in one mapping: YAML readers silently keep the last."""
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                yield (*position, key.value), key.value
            seen.add(key.value)
            yield from _twice(value, (*position, key.value))
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _twice(item, (*position, index))
