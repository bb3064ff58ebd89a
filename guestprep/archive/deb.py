"""A ``.deb`` file (deb(5)): its control data and its files.

The two tar archives inside may be compressed with gzip, xz or zstd (Ubuntu since 21.10), or
not at all.
"""

from __future__ import annotations

import lzma
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, cast

import zstandard
from debian.arfile import ArError, ArFile

from guestprep import limits
from guestprep.archive.fetch import ArchiveError
from guestprep.parse.cpio import clean_name

#: Control files that dpkg runs.
SCRIPTS = ("preinst", "postinst", "prerm", "postrm", "config")


@dataclass(frozen=True)
class Deb:
    """A package's control data."""

    path: Path
    control: str
    """The text of its control file."""
    info: dict[str, bytes]
    """The other control files by name (``md5sums``, ``postinst``, ``triggers`` …)."""

    @contextmanager
    def data(self) -> Iterator[tarfile.TarFile]:
        """The files, to be read in order."""
        with _member(self.path, "data.tar") as archive:
            yield archive

    def entries(self, archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
        """The entries of :meth:`data`.

        :raises ArchiveError: they are larger than any package's.
        """
        return _entries(self.path, archive, limits.PACKAGE)


def open_deb(path: Path) -> Deb:
    """Read a package's control data.

    :raises ArchiveError: not a package, or damaged.
    :raises UnsafeNameError: a control file's name leads out of the package.
    """
    control, info = "", {}
    with _member(path, "control.tar") as archive:
        for entry in _entries(path, archive, limits.CONTROL_FILES):
            stream = archive.extractfile(entry) if entry.isfile() else None
            if stream is None:
                continue
            name = clean_name(entry.name, of=str(path))
            if "/" in name:
                raise ArchiveError(f"{path} has a control file in a folder: {name}")
            if name == "control":
                control = stream.read().decode("utf-8", "replace")
            else:
                info[name] = stream.read()
    return Deb(path, control, info)


def _entries(path: Path, archive: tarfile.TarFile, most: int) -> Iterator[tarfile.TarInfo]:
    """An archive's entries while they stay within bounds."""
    for number, entry in enumerate(archive, 1):
        most -= entry.size
        if most < 0 or entry.size > limits.PACKAGE_FILE or number > limits.MEMBERS:
            raise ArchiveError(f"{path} has more or larger files than any package")
        yield entry


#: Types of headers that tell of the next entry.
_HEADERS = (
    *(tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK),
    *(tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE),
)


class _Entry(tarfile.TarInfo):
    """An entry whose name and attributes, which tarfile reads as a whole, have a bound."""

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        if self.type in _HEADERS and self.size > limits.TAR_HEADER:
            raise tarfile.ReadError("a header is larger than any")
        return super()._proc_member(archive)  # type: ignore[misc,no-any-return]


@contextmanager
def _member(path: Path, stem: str) -> Iterator[tarfile.TarFile]:
    try:
        members = ArFile(str(path)).getmembers()
        member = next((entry for entry in members if entry.name.startswith(stem)), None)
    except (ArError, OSError, ValueError) as error:
        raise ArchiveError(f"{path} is not a Debian package: {error}") from error
    if member is None:
        raise ArchiveError(f"{path} has no {stem}: not a Debian package")
    stream = cast(IO[bytes], member)
    mode: Literal["r|", "r|*"] = "r|*"
    if member.name.endswith(".zst"):  # Python's tarfile knows it from 3.14 on only
        stream, mode = zstandard.ZstdDecompressor().stream_reader(stream), "r|"
    try:
        with tarfile.open(fileobj=stream, mode=mode, tarinfo=_Entry) as inner:
            yield inner
    except (tarfile.ReadError, zstandard.ZstdError, lzma.LZMAError, zlib.error, EOFError) as error:
        raise ArchiveError(f"{path} is a damaged Debian package: {error}") from error
    finally:
        member.close()
