"""A package of an apt archive."""

from __future__ import annotations

from dataclasses import dataclass

from guestprep.parse.relation import Alternative, Provided


@dataclass(frozen=True)
class ArchivePackage:
    """A package of an archive."""

    name: str
    version: str
    architecture: str
    multi_arch: str
    relations: dict[str, tuple[tuple[Alternative, ...], ...]]
    """By field (``Depends``, ``Pre-Depends``, ``Conflicts``, ``Breaks``): the groups of
    alternatives.
    """
    provides: tuple[Provided, ...]
    filename: str
    """Below the archive's address."""
    sha256: str
    size: int
    installed_size: int
    """Bytes on the guest's disk, as its maker declared."""
    archive: str
