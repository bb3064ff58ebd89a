"""A package of an apt archive."""

from __future__ import annotations

from dataclasses import dataclass, field

from guestprep.parse.relation import Alternative, Provided


@dataclass(frozen=True)
class ArchivePackage:
    """A package of an archive."""

    name: str
    version: str
    architecture: str
    archive: str
    """The archive's address."""
    filename: str
    """Its file's path below the archive's address."""
    sha256: str
    size: int
    multi_arch: str = ""
    relations: dict[str, tuple[tuple[Alternative, ...], ...]] = field(default_factory=dict)
    """By field (``Depends``, ``Pre-Depends``, ``Conflicts``, ``Breaks``): the groups of
    alternatives.
    """
    provides: tuple[Provided, ...] = ()
