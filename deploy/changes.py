"""Files to be written, compared with what is there: shown as a diff, written at once."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from core import files
from core.errors import Fault
from deploy.inventory import HEADER

#: A line whose value is nobody's business; names of key *files* are no secrets.
_SECRET = re.compile(r"^([+ -]?\s*\S*(?:password|passwd|secret|token)\S*\s*:)\s*\S.*$", re.I)


@dataclass(frozen=True)
class FileChange:
    """One file of the configuration folder."""

    path: Path
    name: str
    """Its path within the folder."""
    before: str | None
    """What it holds now; None: it isn't there."""
    after: str | None
    """What it will hold; None: it goes away."""

    @property
    def action(self) -> str:
        if self.before == self.after:
            return "keep"
        if self.before is None:
            return "create"
        return "remove" if self.after is None else "update"

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
        """Write or remove the file; folders on the way can be entered by their owner alone."""
        if self.action == "keep":
            return
        if self.after is None:
            self.path.unlink(missing_ok=True)
            return
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        files.write(self.path, self.after, mode=0o600)

    def to_dict(self) -> dict[str, object]:
        return {"path": str(self.path), "action": self.action, "diff": self.diff}


def compare(
    folder: Path, wanted: Mapping[str, str], present: Mapping[str, str]
) -> tuple[FileChange, ...]:
    """What has to change so that the folder holds what is wanted.

    Files of ours that are no longer wanted go away; a stranger's stay.

    :param present: the folder's files by name (:func:`read`).
    """
    names = dict.fromkeys([*wanted, *(n for n, t in present.items() if t.startswith(HEADER))])
    return tuple(
        FileChange(folder / name, name, present.get(name), wanted.get(name)) for name in names
    )


def strangers(folder: Path, wanted: Mapping[str, str], present: Mapping[str, str]) -> list[Fault]:
    """Files in the way that kollarm didn't write: they are never overwritten."""
    return [
        Fault(
            str(folder / name),
            "wasn't written by kollarm and would be overwritten",
            "move it away; what it sets goes under deploy in the configuration file",
        )
        for name in wanted
        if name in present and not present[name].startswith(HEADER)
    ]


def read(folder: Path) -> dict[str, str]:
    """The files that could be ours or in our way: globals, globals.d and the inventory."""
    patterns = ("globals.yml", "globals.d/*", "inventory/*", "inventory/*_vars/*")
    return {
        str(path.relative_to(folder)): path.read_text(errors="replace")
        for pattern in patterns
        for path in sorted(folder.glob(pattern))
        if path.is_file()
    }
