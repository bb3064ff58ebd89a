"""The files of the configuration folder: compared, shown as a diff, written."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from core import files
from core.errors import Fault
from deploy.inventory import HEADER

#: A line whose value is masked in diffs; the names of key *files* are not secret.
_SECRET = re.compile(r"^([+ -]?\s*\S*(?:password|passwd|secret|token)\S*\s*:)\s*\S.*$", re.I)


class FileAction(StrEnum):
    """What is done with a file of the configuration folder."""

    CREATE = "create"
    UPDATE = "update"
    REMOVE = "remove"
    KEEP = "keep"


@dataclass(frozen=True)
class FileChange:
    """One file of the configuration folder, as it is and as it will be."""

    path: Path
    name: str
    """Its path within the folder."""
    before: str | None
    """Its present content; None: it doesn't exist."""
    after: str | None
    """Its new content; None: it is removed."""

    @property
    def action(self) -> FileAction:
        if self.before == self.after:
            return FileAction.KEEP
        if self.before is None:
            return FileAction.CREATE
        return FileAction.REMOVE if self.after is None else FileAction.UPDATE

    @property
    def diff(self) -> str:
        """A unified diff with secret values masked."""
        lines = difflib.unified_diff(
            (self.before or "").splitlines(),
            (self.after or "").splitlines(),
            "/dev/null" if self.before is None else f"a/{self.name}",
            "/dev/null" if self.after is None else f"b/{self.name}",
            lineterm="",
        )
        return "\n".join(_SECRET.sub(r"\1 ********", line) for line in lines)

    def apply(self) -> None:
        """Write or remove the file; new folders are accessible to their owner only."""
        if self.action is FileAction.KEEP:
            return
        if self.after is None:
            self.path.unlink(missing_ok=True)
            return
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        files.write(self.path, self.after, mode=0o600)

    def to_dict(self) -> dict[str, object]:
        return {"path": str(self.path), "action": self.action.value, "diff": self.diff}


def compare(
    folder: Path, wanted: Mapping[str, str], present: Mapping[str, str]
) -> tuple[FileChange, ...]:
    """The changes that give the folder its new files.

    Files that kollarm wrote earlier and no longer needs are removed; other files stay.

    :param wanted: the new files, by name.
    :param present: the folder's files by name (:func:`read`).
    """
    names = dict.fromkeys([*wanted, *(n for n, t in present.items() if t.startswith(HEADER))])
    return tuple(
        FileChange(folder / name, name, present.get(name), wanted.get(name)) for name in names
    )


def foreign_files(
    folder: Path, wanted: Mapping[str, str], present: Mapping[str, str]
) -> list[Fault]:
    """Refuse to overwrite files that kollarm didn't write."""
    return [
        Fault(
            str(folder / name),
            "was not written by kollarm and would be overwritten",
            "move it away, and set its variables under deploy in the configuration file",
        )
        for name in wanted
        if name in present and not present[name].startswith(HEADER)
    ]


def read(folder: Path) -> dict[str, str]:
    """The folder's present files by name: globals.yml, globals.d, the inventory, Nova's options."""
    patterns = (
        *("globals.yml", "globals.d/*", "inventory/*", "inventory/*_vars/*"),
        *("config/nova/*.conf", "config/nova/*/*.conf"),
    )
    return {
        str(path.relative_to(folder)): path.read_text(encoding="utf-8", errors="replace")
        for pattern in patterns
        for path in sorted(folder.glob(pattern))
        if path.is_file()
    }
