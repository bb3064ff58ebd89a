"""Which prepared images are made from a source that has been published anew since."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from core.config.model import Guest
from core.text_output import joined_lines
from guestprep import record
from guestprep.source import download
from guestprep.source.find import ExpectedDigest, published


class SourceAge(StrEnum):
    """How a prepared image's source compares with what is published."""

    CURRENT = "current"
    OUTDATED = "outdated"
    NOT_PREPARED = "not prepared"
    NO_LIST = "no list of what is published is configured"
    ORIGINAL_GONE = "the original is no longer there to compare"


@dataclass(frozen=True)
class SourceAges:
    """What was found, by the guest's name."""

    ages: dict[str, SourceAge]

    @property
    def outdated(self) -> tuple[str, ...]:
        """Names of the guests to prepare again."""
        return tuple(name for name, age in self.ages.items() if age is SourceAge.OUTDATED)

    def to_dict(self) -> dict[str, object]:
        return dataclasses.asdict(self)

    def to_text(self) -> str:
        return joined_lines(f"{name}: {age}" for name, age in self.ages.items())


def find_outdated(chosen: Sequence[tuple[Guest, Path]]) -> SourceAges:
    """Compare the sources of prepared images with the lists of their publishers.

    :param chosen: each guest with its prepared image.
    :raises DownloadError: a list can't be downloaded.
    :raises ArchiveError: a list has no valid signature.
    """
    return SourceAges({guest.name: _age(guest, output) for guest, output in chosen})


def _age(guest: Guest, output: Path) -> SourceAge:
    made = record.beside(output)
    if made is None:
        return SourceAge.NOT_PREPARED
    newest = published(guest.source, guest.architecture)
    if newest is None:
        return SourceAge.NO_LIST
    used = _digest_of_source(made, newest)
    if used is None:
        return SourceAge.ORIGINAL_GONE
    return SourceAge.CURRENT if used == newest.digest else SourceAge.OUTDATED


def _digest_of_source(made: record.PreparationRecord, like: ExpectedDigest) -> str | None:
    """The source's digest by the algorithm of the list; None where its file is gone."""
    if like.algorithm == "sha256":
        return str(made.inputs["source"])
    source = Path(made.source)
    if source.parent == download.place(like.algorithm, like.digest):
        return like.digest  # what is there was checked when it was downloaded
    if not source.is_file():
        return None
    with source.open("rb") as stream:
        return hashlib.file_digest(stream, like.algorithm).hexdigest()
