"""What every result of a command can do: be one JSON document, or be text for a person."""

from __future__ import annotations

from typing import Protocol


class Result(Protocol):
    """Something that a command prints."""

    def to_dict(self) -> object:
        """The result as plain data: dicts, lists, strings, numbers, booleans and None."""

    def to_text(self) -> str:
        """The result for a person, in lines."""
