"""Removing what a project's runs have left in its state folder, and nothing else there.

A state folder may be any folder, so only names of kollarm's own are removed. Never removed: the
deployment's configuration with its passwords, and the records of what was built and signed.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from core.progress import size
from core.text_output import joined_lines
from kollarm.services import daemon

#: What runs make again.
RESULTS = {
    "guests": "prepared guest images, their records and screenshots",
    "logs": "logs of builds",
    "report": "parts of the report",
    "report.html": "the report",
    "last-run.json": "the record of the last run",
}

#: Data of the embedded services, which are stopped first.
SERVICES = {
    "registry": "the embedded registry, with every image in it",
    "glance": "the embedded Glance, with every image in it",
    "keystone": "its Keystone",
}


@dataclass(frozen=True)
class Removal:
    """Something that is removed."""

    path: Path
    what: str
    size: int
    """In bytes."""


@dataclass(frozen=True)
class CleanPlan:
    """What is removed from a state folder."""

    removals: tuple[Removal, ...]

    @property
    def size(self) -> int:
        return sum(removal.size for removal in self.removals)

    def to_dict(self) -> dict[str, object]:
        return {
            "removals": [
                {"path": str(one.path), "what": one.what, "size": one.size} for one in self.removals
            ],
            "size": self.size,
        }

    def to_text(self) -> str:
        lines = [f"{one.path} ({size(one.size)}): {one.what}" for one in self.removals]
        return joined_lines(
            [*lines, f"{size(self.size)} in all"] if lines else ["nothing to remove"]
        )


def plan(state_dir: Path, *, services: bool) -> CleanPlan:
    """What :func:`carry_out` would remove.

    :param services: whether the embedded services' data are removed too.
    """
    names = RESULTS | (SERVICES if services else {})
    paths = {state_dir / name: what for name, what in names.items()}
    return CleanPlan(
        tuple(
            Removal(path, what, _size(path))
            for path, what in paths.items()
            if path.exists() or path.is_symlink()
        )
    )


def carry_out(chosen: CleanPlan) -> None:
    """Remove what a plan names; a link is removed, never what it leads to."""
    for removal in chosen.removals:
        path = removal.path
        if path.is_symlink() or path.is_file():
            path.unlink()
            continue
        if path.name in SERVICES:
            daemon.stop(path)
        shutil.rmtree(path)


def _size(path: Path) -> int:
    if path.is_symlink() or path.is_file():
        return path.lstat().st_size
    return sum(each.lstat().st_blocks * 512 for each in path.rglob("*") if not each.is_dir())
