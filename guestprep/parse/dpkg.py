"""dpkg's own database of installed packages, ``/var/lib/dpkg/status`` (dpkg(1), deb-control(5))."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from guestprep import limits
from guestprep.parse.relation import Provided, parse_provides

#: Fields that relate a package to others.
RELATIONS = ("Depends", "Pre-Depends", "Conflicts", "Breaks")

#: A package's name at the start of an alternative of a relation.
_NAME = re.compile(r"(?:^|[,|])\s*([a-z0-9][a-z0-9.+-]+)")


@dataclass(frozen=True)
class InstalledPackage:
    """A package that dpkg knows."""

    name: str
    version: str
    architecture: str
    multi_arch: str
    state: str
    """The last word of its Status: ``installed``, ``half-configured`` …."""
    provides: tuple[Provided, ...]
    relations: Mapping[str, str] = field(default_factory=dict)
    """Its relations as written, by their fields (:data:`RELATIONS`)."""

    @property
    def needs(self) -> frozenset[str]:
        """Names of what it depends on, alternatives included."""
        fields = (self.relations.get(kind, "") for kind in ("Depends", "Pre-Depends"))
        return frozenset(_NAME.findall(",".join(fields)))

    @property
    def installed(self) -> bool:
        return self.state == "installed"


@dataclass(frozen=True)
class DpkgStatus:
    """The database: packages by name and architecture (``("bash", "arm64")``)."""

    packages: Mapping[tuple[str, str], InstalledPackage]

    def installed(self, name: str) -> InstalledPackage | None:
        """The installed package of a name, of whatever architecture."""
        return next(
            (
                package
                for (other, _), package in self.packages.items()
                if other == name and package.installed
            ),
            None,
        )

    @property
    def unready(self) -> tuple[str, ...]:
        """Names of packages that are neither fully installed nor fully removed."""
        good = ("installed", "config-files", "not-installed")
        return tuple(
            sorted(package.name for package in self.packages.values() if package.state not in good)
        )


def parse_status(text: str) -> DpkgStatus:
    """The database from its text; paragraphs without a name or version are left out.

    :raises UnusableInput: there are more packages than any system has.
    """
    limits.check_count("packages in dpkg's status", text.count("\n\n"), limits.PACKAGES)
    found = {}
    for paragraph in text.split("\n\n"):
        limits.check("a package in dpkg's status", len(paragraph), limits.PARAGRAPH)
        fields = fields_of(paragraph)
        name, version = fields.get("Package", ""), fields.get("Version", "")
        state = fields.get("Status", "").split()
        if not name or not state:
            continue
        architecture = fields.get("Architecture", "")
        found[name, architecture] = InstalledPackage(
            name=name,
            version=version,
            architecture=architecture,
            multi_arch=fields.get("Multi-Arch", ""),
            state=state[-1],
            provides=parse_provides(fields.get("Provides", "")),
            relations={kind: fields[kind] for kind in RELATIONS if kind in fields},
        )
    return DpkgStatus(found)


#: What Python takes for the end of a line, and dpkg doesn't.
_NO_NEWLINES = str.maketrans(dict.fromkeys("\r\v\f\x1c\x1d\x1e\x85\u2028\u2029", " "))


def fields_of(paragraph: str) -> dict[str, str]:
    """The fields of one deb822 paragraph."""
    from debian.deb822 import Deb822  # noqa: PLC0415 — loads all of libapt

    if not paragraph.strip():
        return {}
    # Not every archive kept to UTF-8; python-debian takes nothing else.
    readable = paragraph.encode("utf-8", "replace").decode("utf-8").translate(_NO_NEWLINES)
    return {str(key): str(value) for key, value in Deb822(readable.strip("\n").split("\n")).items()}
