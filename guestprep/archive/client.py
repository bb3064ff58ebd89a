"""An apt archive: Release, then Packages, then packages, each with its hash in the one before.

The layout: https://wiki.debian.org/DebianRepository/Format.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

from debian.deb822 import Release

from core import progress
from core.config.model import AptArchive
from guestprep import limits
from guestprep.archive.fetch import ArchiveError, Fetcher
from guestprep.archive.index import PackageIndex
from guestprep.archive.newest import newest
from guestprep.archive.package import ArchivePackage
from guestprep.archive.signature import verified
from guestprep.parse.compression import Compression, UnreadableStream, decompress
from guestprep.parse.relation import version_key

#: By how much the clocks of an archive and of this machine may differ.
TOLERANCE = timedelta(minutes=5)


#: How an index may be compressed, by the end of its name, the best form first.
_SUFFIXES = {
    ".xz": Compression.XZ,
    ".gz": Compression.GZIP,
    ".bz2": Compression.BZIP2,
    "": Compression.NONE,
}


@dataclass(frozen=True)
class _Index:
    """The packages of one component of an archive."""

    fetcher: Fetcher
    packages: PackageIndex
    automatic: bool
    """Whether apt takes packages from it without being told to."""


class ArchiveClient:
    """The packages that some archives have for one architecture.

    Indices are fetched on the first question, and once.

    :param archives: from the configuration, in order; of two equal versions the first's wins.
    :param architecture: the archive's name for it (``arm64``).
    """

    def __init__(self, archives: Sequence[AptArchive], architecture: str):
        self._archives = tuple(archives)
        self.architecture = architecture
        self._indices: list[_Index] | None = None

    def candidates(self, name: str) -> tuple[ArchivePackage, ...]:
        """Every version of a package, newest first.

        Behind them come those of archives that apt takes nothing from without being told to, such
        as backports (NotAutomatic), whatever their version.
        """
        found = [
            (index.automatic, version_key(package.version), package)
            for index in self._loaded()
            for package in index.packages.packages(name)
        ]
        found.sort(key=lambda entry: entry[:2], reverse=True)
        return tuple(package for _, _, package in found)

    def providers(self, name: str) -> tuple[ArchivePackage, ...]:
        """Every package that provides a name."""
        indices = sorted(self._loaded(), key=lambda index: not index.automatic)
        return tuple(package for index in indices for package in index.packages.providers(name))

    def fetch(self, package: ArchivePackage) -> Path:
        """The package's file, in the cache, its hash checked."""
        for index in self._loaded():
            if index.fetcher.uri == package.archive:
                return index.fetcher.cached((package.filename,), package.sha256, package.size)
        raise AssertionError("a package of another client")

    def _loaded(self) -> list[_Index]:
        if self._indices is None:
            with progress.current().step("archive indices") as step:
                self._indices = []
                for archive in self._archives:
                    step.note(f"{archive.uri} {archive.suite}")
                    self._indices += self._load(archive)
        return self._indices

    def _load(self, archive: AptArchive) -> Iterable[_Index]:
        fetcher = Fetcher(archive.uri)
        release = read_release(
            fetcher, archive.suite, archive.keyring, check_valid_until=archive.check_valid_until
        )
        automatic = str(release.get("NotAutomatic", "no")).lower() != "yes"
        try:
            hashes = {
                str(entry["name"]): (str(entry["sha256"]), int(entry["size"]))
                for entry in release.get("SHA256", [])
            }
        except (KeyError, ValueError) as error:
            raise ArchiveError(f"{archive.uri} {archive.suite} has a damaged Release") from error
        known = str(release.get("Architectures", self.architecture)).split()
        if self.architecture not in known:
            raise ArchiveError(
                f"{archive.uri} {archive.suite} has no packages for {self.architecture}",
                hint="Ubuntu's packages for arm64 are at http://ports.ubuntu.com/ubuntu-ports",
                details=f"it has: {' '.join(known)}",
            )
        by_hash = str(release.get("Acquire-By-Hash", "no")).lower() == "yes"
        for component in archive.components:
            base = f"{component}/binary-{self.architecture}/Packages"
            text = _packages(fetcher, archive.suite, base, hashes, by_hash=by_hash)
            index = PackageIndex(text, fetcher.uri, self.architecture)
            yield _Index(fetcher, index, automatic)


def read_release(
    fetcher: Fetcher, suite: str, keyring: Path, *, check_valid_until: bool = True
) -> Release:
    """The suite's Release file, its signature, its name and its validity checked.

    :param check_valid_until: whether one past its Valid-Until is refused.
    :raises ArchiveError: missing, badly signed, another suite's, or out of date.
    """
    folder = f"dists/{suite}"
    what = f"{fetcher.uri}/{folder}/InRelease"
    signed = fetcher.small(f"{folder}/InRelease")
    if signed is not None:
        text = verified(signed, None, keyring, what).text
    else:
        plain = fetcher.small(f"{folder}/Release")
        detached = fetcher.small(f"{folder}/Release.gpg")
        if plain is None:
            raise ArchiveError(
                f"{fetcher.uri} has no suite {suite}", hint="check the archive's uri and suite"
            )
        if detached is None:
            raise ArchiveError(
                f"{fetcher.uri}/{folder}/Release: not signed",
                hint="an unsigned archive is never used",
            )
        text = verified(plain, detached, keyring, f"{fetcher.uri}/{folder}/Release").text
    release = Release(text.splitlines())
    check_suite(release, suite, what)
    text = newest(f"{fetcher.uri} {suite}", keyring, text, _date(release, "Date", what))
    release = Release(text.splitlines())
    _check_validity(release, what, until_too=check_valid_until)
    return release


def check_suite(release: Release, asked: str, what: str) -> None:
    """Refuse one suite's Release file in the place of another's, signed by the same key.

    Its Suite or its Codename has to be what was asked: Debian's are asked for by either. Ubuntu's
    ``jammy-updates`` has the Codename ``jammy`` too, but is not ``jammy``. Nothing is compared
    where the file has neither, and for Ubuntu's ``devel``, which has the name of a release.

    :param asked: of ``bookworm/updates`` and the like, what precedes the last ``/`` counts as well,
        as for apt.
    :raises ArchiveError: it is another suite's.
    """
    suite, codename = str(release.get("Suite", "")), str(release.get("Codename", ""))
    names = {suite}
    if not suite.startswith(f"{codename}-"):
        names.add(codename)
    names.discard("")
    if not names or asked.partition("-")[0] == "devel":
        return
    if not names & {asked, asked.rpartition("/")[0] or asked}:
        raise ArchiveError(
            f"{what}: this is the Release file of {' or '.join(sorted(names))}, not of {asked}",
            hint="write the archive's `suite` as the archive itself names it; if that is right, "
            "the mirror is wrong: use another one",
        )


def _check_validity(release: Release, what: str, *, until_too: bool) -> None:
    """Refuse an archive past its Valid-Until date: someone may be replaying an old state.

    One that isn't valid yet is refused as apt does: by a clock that is behind, no state
    would ever be too old.
    """
    now = datetime.now(UTC)
    issued, until = _date(release, "Date", what), _date(release, "Valid-Until", what)
    if issued is not None and issued > now + TOLERANCE:
        raise ArchiveError(
            f"{what}: not valid yet: it was made {release['Date']}, and this machine's clock says "
            f"{now:%a, %d %b %Y %H:%M} UTC",
            hint="set the clock; kollarm doctor compares it with a server's",
        )
    if until_too and until is not None and until < now:
        raise ArchiveError(
            f"{what}: no longer valid (since {release['Valid-Until']})",
            hint="the mirror is out of date: use another one; or this machine's clock is wrong: "
            f"it says {now:%a, %d %b %Y %H:%M} UTC; a snapshot of an archive needs "
            "check_valid_until: false",
        )


def _date(release: Release, field: str, what: str) -> datetime | None:
    """A field's date; None where the Release file doesn't have it.

    :raises ArchiveError: it is not a date.
    """
    text = release.get(field)
    if text is None:
        return None
    try:
        date = parsedate_to_datetime(str(text).replace("UTC", "+0000"))
    except ValueError as error:
        raise ArchiveError(f"{what}: unreadable {field}: {text}") from error
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _packages(
    fetcher: Fetcher, suite: str, base: str, hashes: dict[str, tuple[str, int]], *, by_hash: bool
) -> str:
    """The text of a Packages index in the best form the Release file lists."""
    _, unpacked = hashes.get(base, ("", limits.PACKAGES_INDEX))
    for suffix, compression in _SUFFIXES.items():
        if base + suffix not in hashes:
            continue
        sha256, size = hashes[base + suffix]
        folder = base.rsplit("/", 1)[0]
        paths: tuple[str, ...] = (f"dists/{suite}/{base}{suffix}",)
        if by_hash:
            paths = (f"dists/{suite}/{folder}/by-hash/SHA256/{sha256}", *paths)
        content = fetcher.cached(paths, sha256, size).read_bytes()
        if compression is not Compression.NONE:
            try:
                content = decompress(content, compression, at_most=unpacked)
            except UnreadableStream as error:
                raise ArchiveError(f"{fetcher.uri}/{paths[-1]} is damaged: {error}") from error
        return content.decode("utf-8", "replace")
    raise ArchiveError(
        f"{fetcher.uri} {suite} has no index {base}",
        hint="check the archive's components (such as main)",
    )
