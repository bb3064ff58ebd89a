"""The cpio archives an initramfs is made of: reading and writing the "newc" format.

The format: the kernel's Documentation/driver-api/early-userspace/buffer-format.rst.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import IO

from core.untrusted_names import UnsafeNameError, relative_name
from guestprep import limits

TRAILER = "TRAILER!!!"
_HEADER = 110

#: The kernel's PATH_MAX, for names and for links' targets.
_LONGEST_NAME = 4096
_MAGICS = (b"070701", b"070702")


class DamagedArchive(ValueError):
    """An archive that is not in the "newc" format, or is cut short."""


@dataclass(frozen=True)
class Member:
    """An entry of a cpio archive."""

    name: str
    """As :func:`clean_name` gives it."""
    mode: int
    """Type and permissions, as in ``st_mode``."""
    size: int
    data: bytes | None = None
    """The content, or a symbolic link's target; None when it wasn't asked for."""


class ByteReader:
    """Bytes from an iterator of pieces, read in order."""

    def __init__(self, pieces: Iterator[bytes]):
        self._pieces = pieces
        self._buffer = memoryview(b"")
        self.position = 0

    def read(self, size: int) -> bytes:
        """Exactly *size* bytes, fewer only at the end."""
        return b"".join(self._take(size))

    def skip(self, size: int) -> None:
        for _ in self._take(size):
            pass

    def _take(self, size: int) -> Iterator[memoryview]:
        while size > 0:
            if not self._buffer:
                piece = next(self._pieces, None)
                if piece is None:
                    return
                self._buffer = memoryview(piece)
                continue
            part = self._buffer[:size]
            self._buffer = self._buffer[len(part) :]
            self.position += len(part)
            size -= len(part)
            yield part


def clean_name(name: str, *, of: str = "an archive") -> str:
    """A member's name as the kernel places it: from the root, without ``.`` and ``//``.

    That of the root itself is empty.

    :param of: what the name comes from, for the error message.
    :raises UnsafeNameError: it has a ``..`` part or a NUL.
    """
    inside = "/".join(part for part in name.split("/") if part not in ("", "."))
    return relative_name(inside, of=of) if inside else ""


@dataclass(frozen=True)
class _Header:
    """What precedes an entry's content."""

    name: str
    """A clean one."""
    mode: int
    size: int
    raw: bytes
    """Header, name and padding, as they were."""

    @property
    def padded(self) -> int:
        """Bytes of the content with its padding."""
        return self.size + -self.size % 4


def _read_header(source: ByteReader) -> _Header:
    header = source.read(_HEADER)
    if len(header) < _HEADER or header[:6] not in _MAGICS:
        raise DamagedArchive("a cpio header is missing or damaged")
    try:
        fields = [int(header[at : at + 8], 16) for at in range(6, _HEADER, 8)]
    except ValueError as error:
        raise DamagedArchive("a cpio header has a field that is not a number") from error
    mode, size, name_size = fields[1], fields[6], fields[11]
    if name_size > _LONGEST_NAME:
        raise DamagedArchive(f"a cpio header has a name of {name_size} bytes")
    name = source.read(name_size + -(_HEADER + name_size) % 4)
    text = name[: max(name_size - 1, 0)].decode("utf-8", "surrogateescape")
    try:
        return _Header(clean_name(text), mode, size, header + name)
    except UnsafeNameError as error:  # no builder of an initramfs makes such a name
        raise DamagedArchive(error.message) from error


def _content(source: ByteReader, size: int, most: int) -> bytes:
    if size > most:
        raise DamagedArchive(f"it has a file of {size} bytes")
    return source.read(size)


def read_members(
    source: ByteReader, wanted: Callable[[str], bool], most: int = limits.MODULE
) -> Iterator[Member]:
    """The entries of an archive up to its trailer.

    :param wanted: whether a regular file of this name shall come with its content; symbolic
        links always come with their target.
    :param most: bytes of the largest file that is wanted.
    :raises DamagedArchive: another format, or cut short.
    """
    while True:
        header = _read_header(source)
        if header.name == TRAILER:
            source.skip(header.padded)
            return
        data = None
        if stat.S_ISLNK(header.mode) or (stat.S_ISREG(header.mode) and wanted(header.name)):
            longest = _LONGEST_NAME if stat.S_ISLNK(header.mode) else most
            data = _content(source, header.size, longest)
            if len(data) < header.size:
                raise DamagedArchive("the archive is cut short")
            source.skip(header.padded - header.size)
        else:
            source.skip(header.padded)
        yield Member(header.name, header.mode, header.size, data)


def copy_entries(source: ByteReader, out: IO[bytes], dropped: Callable[[str], bool]) -> None:
    """Copy an archive's entries without its trailer, each as it is but for those dropped.

    What is written behind them is part of the same archive: programs that list an initramfs, such
    as lsinitramfs, read no second one.

    :param dropped: by an entry's clean name.
    :raises DamagedArchive: another format, or cut short.
    """
    while True:
        header = _read_header(source)
        if header.name == TRAILER:
            return
        if dropped(header.name):
            source.skip(header.padded)
            continue
        content = _content(source, header.padded, limits.MODULE)
        if len(content) < header.size:
            raise DamagedArchive("the archive is cut short")
        out.write(header.raw + content + bytes(header.padded - len(content)))


def write_archive(members: Iterable[Member]) -> bytes:
    """An archive with these entries in this order; the same entries give the same bytes.

    Owner and group are root, times are zero.  Its length is a multiple of 512, as cpio(1)'s.
    """
    parts = [
        _entry(number, member.name, member.mode, member.data or b"")
        for number, member in enumerate(members, 1)
    ]
    archive = b"".join([*parts, _entry(0, TRAILER, 0, b"")])
    return archive + bytes(-len(archive) % 512)


def _entry(number: int, name: str, mode: int, data: bytes) -> bytes:
    encoded = name.encode("utf-8", "surrogateescape") + b"\0"
    links = 2 if stat.S_ISDIR(mode) else 1
    fields = (number, mode, 0, 0, links, 0, len(data), 0, 0, 0, 0, len(encoded), 0)
    header = b"070701" + b"".join(b"%08X" % field for field in fields)
    padding = bytes(-(len(header) + len(encoded)) % 4)
    return header + encoded + padding + data + bytes(-len(data) % 4)
