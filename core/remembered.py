"""Small tables that a state folder remembers: JSON files of names and their fields, all texts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from core import files
from core.errors import KollarmError
from core.json_object import json_object

Table = dict[str, dict[str, str]]


def read_table(path: Path, fields: Sequence[str], *, hint: str) -> Table:
    """The table in a file; empty when there is none.

    :param fields: what each of its names has.
    :param hint: what to do about a file that can't be read.
    :raises KollarmError: it can't be read.
    """
    if not path.exists():
        return {}
    try:
        document = json_object(path.read_text("utf-8"), str(path))
        return {
            name: {field: str(values[field]) for field in fields}
            for name, values in document.items()
        }
    except (OSError, KeyError, TypeError, UnicodeDecodeError) as error:
        raise KollarmError(f"{path} can't be read: {error}", hint=hint) from error


def write_table(path: Path, table: Mapping[str, Mapping[str, str]]) -> None:
    """Replace a table's file, which is for its owner alone."""
    files.write(path, json.dumps(dict(sorted(table.items())), indent=1) + "\n", mode=0o600)
