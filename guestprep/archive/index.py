"""A Packages index: tens of thousands of paragraphs, of which few are ever read."""

from __future__ import annotations

import re
from collections.abc import Iterator

from core.untrusted_names import UnsafeNameError, relative_name
from guestprep.archive.package import ArchivePackage
from guestprep.parse.dpkg import RELATIONS, fields_of
from guestprep.parse.relation import parse_provides, parse_relations

#: What dpkg takes for a package's name.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._-]*")


class PackageIndex:
    """The packages of one index.

    The text is searched as a whole and only the paragraphs asked for are parsed: parsing all
    of a distribution's takes a minute, and a package or two is wanted.

    :param archive: the archive's address, to know each package's origin by.
    """

    def __init__(self, text: str, archive: str, architecture: str):
        self._text = "\n" + text
        self._archive = archive
        self._architecture = architecture

    def packages(self, name: str) -> Iterator[ArchivePackage]:
        """Every version of a package."""
        for match in re.finditer(rf"\nPackage: {re.escape(name)}\n", self._text):
            package = self._parse(match.start())
            if package is not None:
                yield package

    def providers(self, name: str) -> Iterator[ArchivePackage]:
        """Every package that provides a name."""
        pattern = rf"\nProvides:[^\n]*?[ ,]{re.escape(name)}(?=[ ,\n(])"
        for match in re.finditer(pattern, self._text):
            package = self._parse(match.start())
            if package is not None and any(entry.name == name for entry in package.provides):
                yield package

    def _parse(self, inside: int) -> ArchivePackage | None:
        start = self._text.rfind("\n\n", 0, inside + 1)
        end = self._text.find("\n\n", inside + 1)
        paragraph = self._text[max(start, 0) : end if end >= 0 else None]
        fields = fields_of(paragraph)
        if not _NAME.fullmatch(fields.get("Package", "")):
            return None
        if fields.get("Architecture") not in (self._architecture, "all"):
            return None
        try:
            return ArchivePackage(
                name=fields["Package"],
                version=fields["Version"],
                architecture=fields["Architecture"],
                multi_arch=fields.get("Multi-Arch", ""),
                relations={
                    field: parse_relations(fields.get(field, ""), self._architecture)
                    for field in RELATIONS
                },
                provides=parse_provides(fields.get("Provides", "")),
                filename=relative_name(fields["Filename"], of=self._archive),
                sha256=fields["SHA256"].lower(),
                size=int(fields["Size"]),
                archive=self._archive,
            )
        except (KeyError, ValueError, UnsafeNameError):
            return None  # an entry without what it takes to fetch it
