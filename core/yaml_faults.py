"""Faults of a YAML file in words, each with its line."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from core.errors import ConfigError, Fault
from core.suggest import nearest_or_known

#: Levels of mappings and lists within each other.
DEEPEST = 50

#: Characters of a value that a message shows.
LONGEST_VALUE = 100

#: Keys and values of a file in all.
MOST_VALUES = 200_000

#: Keys and list indices that lead to a place in the file.
Position = tuple[str | int, ...]


class YamlFile:
    """A YAML file's text, taken apart.

    :raises ConfigError: it is not valid YAML.
    """

    def __init__(self, text: str, path: Path):
        self.path = path
        try:
            self.tree = yaml.compose(text, Loader=yaml.SafeLoader)
            _measure(self.tree, {}, 0)
            self.data = yaml.safe_load(text)
        # The parser lets errors of other kinds through: of a date in a 13th month, for instance.
        except Exception as error:
            mark = getattr(error, "problem_mark", None)
            place = f"{path}:{mark.line + 1}" if mark else str(path)
            problem = getattr(error, "problem", None) or str(error) or type(error).__name__
            raise ConfigError(f"{path} is not valid YAML", [Fault(place, problem)]) from None

    def where(self, position: Position) -> str:
        """A position with the file's name and the line."""
        line = _line_of(self.tree, position)
        place = f"{self.path}:{line}" if line else str(self.path)
        return f"{place}: {dotted(position)}"

    def repeated_keys(self) -> Iterator[Fault]:
        """Keys written twice in one mapping: YAML readers silently keep the last."""
        for position, key in _repeated(self.tree):
            yield Fault(
                self.where(position), f"{key!r} is written twice; the last one would silently win"
            )


def _measure(
    node: yaml.Node | None, known: dict[int, tuple[int, int]], depth: int
) -> tuple[int, int]:
    """The values and the levels of a node, its aliases counted as what they stand for.

    :param known: those of nodes that were measured, by their identity.
    :param depth: the levels above it.
    :raises yaml.YAMLError: it has too many levels, as one has that contains itself, or too
        many values, as a few lines of aliases can have.
    """
    if id(node) in known:
        return known[id(node)]
    below: list[yaml.Node] = []
    if isinstance(node, yaml.MappingNode):
        below = [each for pair in node.value for each in pair]
    elif isinstance(node, yaml.SequenceNode):
        below = node.value
    values, levels = 1, 1
    for each in below:
        if depth < DEEPEST:
            more, deep = _measure(each, known, depth + 1)
            values, levels = values + more, max(levels, deep + 1)
        if depth + levels > DEEPEST or depth == DEEPEST:
            raise yaml.YAMLError(f"more than {DEEPEST} levels, or a value that contains itself")
    if values > MOST_VALUES:
        raise yaml.YAMLError(f"more than {MOST_VALUES} values, its aliases written out")
    known[id(node)] = values, levels
    return values, levels


def dotted(position: Position) -> str:
    """A position as people write it: ``guests[0].source.path``."""
    text = ""
    for part in position:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text or "(the whole file)"


def brief(value: object) -> str:
    """A value as Python writes it, cut where it is long."""
    text = repr(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 1]}…"


def explain(item: Any, position: Position, model: type[BaseModel]) -> tuple[str, str | None]:
    """The message and the hint for what pydantic found.

    :param item: one of a ValidationError's errors.
    :param position: where in the data, for a model of this shape.
    """
    kind, value = item["type"], item.get("input")
    match kind:
        case "extra_forbidden":
            known = _known_keys(position[:-1], model)
            return "unknown key", nearest_or_known(str(position[-1]), known)
        case "missing":
            return "is missing", "add it"
        case "string_type" if isinstance(value, int | float):
            return (
                f"must be a string, not the number {brief(value)}",
                f'write it in quotes: "{brief(value)}"',
            )
        case "enum" | "literal_error":
            expected = str(item["ctx"]["expected"]).replace(" or ", ", ").split(", ")
            hint = nearest_or_known(str(value), [name.strip("'") for name in expected])
            return f"unknown value {brief(value)}", hint
        case "string_pattern_mismatch":
            return f"{brief(value)} has the wrong form", f"it must match {item['ctx']['pattern']}"
    # a check of our own says all itself, and repeats no password
    error = item.get("ctx", {}).get("error")
    message = str(error) if error else f"{item['msg']}, not {brief(value)}"
    return f"{message[:1].lower()}{message[1:]}", getattr(error, "hint", None)


def _known_keys(position: Position, model: type[BaseModel]) -> list[str]:
    """The keys that the model has at a position."""
    annotation: Any = model
    for part in position:
        if fields := _fields(annotation):
            annotation = fields[str(part)].annotation if str(part) in fields else None
        else:  # a list's item, a mapping's value
            annotation = (typing.get_args(_plain(annotation)) or (None,))[-1]
    return list(_fields(annotation))


def _fields(annotation: Any) -> Mapping[str, FieldInfo]:
    annotation = _plain(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation.model_fields
    return {}


def _plain(annotation: Any) -> Any:
    """An annotation without its ``| None``."""
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is typing.Union:
        return next(a for a in typing.get_args(annotation) if a is not type(None))
    return annotation


def _line_of(node: yaml.Node | None, position: Position) -> int | None:
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


def _repeated(node: yaml.Node | None, position: Position = ()) -> Iterator[tuple[Position, str]]:
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                yield (*position, key.value), key.value
            seen.add(key.value)
            yield from _repeated(value, (*position, key.value))
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _repeated(item, (*position, index))
