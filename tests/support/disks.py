"""A synthetic disk to prepare, and the archive that completes it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from core.config.model import AptArchive, Guest, GuestSource
from tests.support import guest_disks, synthetic


@dataclass(frozen=True)
class Disks:
    """A source disk, the archive for it and a folder for results."""

    source: Path
    archive: synthetic.SignedArchive
    folder: Path

    def guest(self, source: Path | None = None) -> Guest:
        return Guest(
            name="synthetic",
            source=GuestSource(path=source or self.source, sha256=None),
            archives=[
                AptArchive(
                    uri=f"file://{self.archive.folder}",
                    suite=self.archive.suite,
                    keyring=self.archive.keyring,
                )
            ],
        )

    def disk(self, name: str, recipe: guest_disks.Recipe) -> Path:
        return guest_disks.make(self.folder / f"{name}.qcow2", self.folder / name, recipe)
