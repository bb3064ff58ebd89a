"""Which packages an installation requires, given what the guest has: pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from core.errors import UnusableInput
from guestprep.archive.package import ArchivePackage
from guestprep.parse.dpkg import DpkgStatus, InstalledPackage
from guestprep.parse.relation import Alternative, Provided


class AvailablePackages(Protocol):
    """Where packages come from (:class:`~guestprep.archive.client.ArchiveClient`)."""

    def candidates(self, name: str) -> tuple[ArchivePackage, ...]: ...

    def providers(self, name: str) -> tuple[ArchivePackage, ...]: ...


@dataclass(frozen=True)
class Resolution:
    """The packages to install, or why they can't be."""

    packages: tuple[ArchivePackage, ...] = ()
    """What to install, dependencies before what needs them; empty with faults."""
    faults: tuple[str, ...] = ()
    """What prevents the installation, one sentence each."""

    def require(self, names: str) -> tuple[ArchivePackage, ...]:
        """The packages to install.

        :param names: the requested ones, for a person.
        :raises UnusableInput: they can't be installed.
        """
        if self.faults:
            raise UnusableInput(
                f"{names} can't be installed: {self.faults[0]}",
                details="\n".join(self.faults[1:]) or None,
                hint="add an archive that has what is missing to the guest's `archives`",
            )
        return self.packages


@dataclass
class _Search:
    available: AvailablePackages
    status: DpkgStatus
    chosen: dict[str, ArchivePackage] = field(default_factory=dict)
    done: list[ArchivePackage] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def resolve(
    wanted: Iterable[ArchivePackage], available: AvailablePackages, status: DpkgStatus
) -> Resolution:
    """The packages to install so that *wanted* are installed and nothing is unmet.

    For each unmet relation the first alternative that can be had is taken, as apt does;
    recommendations are left out; nothing installed is ever upgraded or removed. Whether they may be
    there together is for apt to say (:mod:`guestprep.apply.apt_check`).
    """
    search = _Search(available, status)
    for package in wanted:
        _add(search, package)
    if search.faults:
        return Resolution(faults=tuple(dict.fromkeys(search.faults)))
    return Resolution(packages=tuple(search.done))


def _add(search: _Search, package: ArchivePackage) -> None:
    if package.name in search.chosen:
        return
    present = search.status.installed(package.name)
    if present is not None:
        if present.version != package.version:
            search.faults.append(
                f"{package.name} {package.version} is needed, and the guest has {present.version}"
            )
        return
    search.chosen[package.name] = package
    for kind in ("Pre-Depends", "Depends"):
        for group in package.relations.get(kind, ()):
            _satisfy(search, package, group)
    search.done.append(package)


def _satisfy(search: _Search, package: ArchivePackage, group: tuple[Alternative, ...]) -> None:
    if any(_met(search, alternative) for alternative in group):
        return
    for alternative in group:
        for candidate in search.available.candidates(alternative.name):
            if alternative.accepts(candidate.version) and _addable(search, candidate):
                _add(search, candidate)
                return
        for candidate in search.available.providers(alternative.name):
            if _provides(candidate.provides, alternative) and _addable(search, candidate):
                _add(search, candidate)
                return
    search.faults.append(
        f"{package.name} needs {' | '.join(map(str, group))}, which neither the guest nor "
        "the archive has"
    )


def _addable(search: _Search, candidate: ArchivePackage) -> bool:
    """Whether a candidate requires no upgrade of what is installed or chosen."""
    present = search.status.installed(candidate.name)
    other = search.chosen.get(candidate.name)
    return present is None and (other is None or other.version == candidate.version)


def _met(search: _Search, alternative: Alternative) -> bool:
    packages: list[ArchivePackage | InstalledPackage] = [*search.chosen.values()]
    packages += [entry for entry in search.status.packages.values() if entry.installed]
    return any(_fulfils(package, alternative) for package in packages)


def _fulfils(package: ArchivePackage | InstalledPackage, alternative: Alternative) -> bool:
    named = package.name == alternative.name and alternative.accepts(package.version)
    return named or _provides(package.provides, alternative)


def _provides(provides: tuple[Provided, ...], alternative: Alternative) -> bool:
    return any(
        entry.name == alternative.name
        and (not alternative.operator or (entry.version and alternative.accepts(entry.version)))
        for entry in provides
    )
