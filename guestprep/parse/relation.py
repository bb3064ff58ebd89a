"""Relations between packages (deb-control(5)): ``a (>= 1) | b [arm64], c``."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

# python-debian loads all of libapt: it is imported only when there is something to parse.
if TYPE_CHECKING:
    from debian.debian_support import NativeVersion


@dataclass(frozen=True, slots=True)
class Alternative:
    """One way to satisfy a relation; an empty operator takes any version."""

    name: str
    operator: str = ""
    version: str = ""

    def accepts(self, version: str) -> bool:
        """Whether a version of the package satisfies it."""
        return not self.operator or compare(version, self.operator, self.version)

    def __str__(self) -> str:
        return f"{self.name} ({self.operator} {self.version})" if self.operator else self.name


@dataclass(frozen=True, slots=True)
class Provided:
    """A name that a package provides; without a version it satisfies no versioned relation."""

    name: str
    version: str = ""

    def __str__(self) -> str:
        return f"{self.name} (= {self.version})" if self.version else self.name


_OPERATORS: dict[str, Callable[[NativeVersion, NativeVersion], bool]] = {
    "<<": operator.lt,
    "<": operator.le,  # as dpkg reads the old spelling
    "<=": operator.le,
    "=": operator.eq,
    ">=": operator.ge,
    ">": operator.ge,
    ">>": operator.gt,
}


def compare(left: str, how: str, right: str) -> bool:
    """Compare two Debian versions with a relation's operator; unreadable ones never match."""
    try:
        return _OPERATORS[how](version_key(left), version_key(right))
    except (KeyError, ValueError):
        return False


def version_key(version: str) -> NativeVersion:
    """A key to compare and sort Debian versions by.

    :raises ValueError: it is not a version.
    """
    from debian.debian_support import NativeVersion  # noqa: PLC0415

    return NativeVersion(version)


def parse_relations(text: str, architecture: str) -> tuple[tuple[Alternative, ...], ...]:
    """A relation field: every group must be satisfied, each by any of its alternatives.

    Alternatives meant for another architecture are left out, and groups left empty with them.
    """
    if not text.strip():
        return ()
    from debian.deb822 import PkgRelation  # noqa: PLC0415

    groups = []
    for group in PkgRelation.parse_relations(text):
        alternatives = []
        for item in group:
            limits = item.get("arch")
            if limits:
                named = [limit.arch for limit in limits if limit.enabled]
                excluded = [limit.arch for limit in limits if not limit.enabled]
                if (named and architecture not in named) or architecture in excluded:
                    continue
            how, version = item.get("version") or ("", "")
            alternatives.append(Alternative(item["name"], how, version))
        if alternatives:
            groups.append(tuple(alternatives))
    return tuple(groups)


def parse_provides(text: str) -> tuple[Provided, ...]:
    """A Provides field."""
    return tuple(
        Provided(alternative.name, alternative.version)
        for group in parse_relations(text, "")
        for alternative in group
    )
