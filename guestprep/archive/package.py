"""A package of an apt archive."""

from __future__ import annotations

from dataclasses import dataclass

from guestprep.parse.relation import Alternative, Provided


@dataclass(frozen=True)
class ArchivePackage:
    """A package of an archive.

    :param relations: by field (``Depends``, ``Pre-Depends``, ``Conflicts``, ``Breaks``): the
        groups of alternatives.
    :param filename: below the archive's address.
    :param installed_size: bytes on the guest's disk, as its maker declared.
    """

    name: str
    version: str
    architecture: str
    multi_arch: str
    relations: dict[str, tuple[tuple[Alternative, ...], ...]]
    provides: tuple[Provided, ...]
    filename: str
    sha256: str
    size: int
    installed_size: int
    archive: str
