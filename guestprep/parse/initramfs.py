"""Reading an initramfs: one file of several archives, each compressed in its own way or not.

The kernel unpacks them one after the other (init/initramfs.c): an archive begins at the next
byte that isn't zero, and a later file takes the place of an earlier one of the same name.
"""

from __future__ import annotations

import mmap
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from guestprep import limits
from guestprep.parse.compression import (
    Compression,
    DecompressedStream,
    UnpackingAllowance,
    UnreadableStream,
    detect,
)
from guestprep.parse.cpio import ByteReader, DamagedArchive, Member, read_members

_PIECE = 1 << 20


@dataclass(frozen=True)
class Segment:
    """A run of archives with one compression."""

    start: int
    """Offset of its first byte."""
    end: int
    """Offset just behind its last byte."""
    compression: Compression


class InitramfsReader:
    """An initramfs file, read archive by archive in the kernel's order.

    Reading never raises for what the file holds: where that can't be understood, it ends, and
    :attr:`fault` says why.
    """

    def __init__(self, path: Path):
        self._path = path
        self._at = 0
        #: The segments read so far.
        self.segments: list[Segment] = []
        #: Why reading ended early; None when all was understood.
        self.fault: str | None = None

    def members(self, wanted: Callable[[str], bool], most: int = limits.MODULE) -> Iterator[Member]:
        """Every member of every archive.

        :param wanted: for which names of regular files the content is wanted.
        :param most: bytes of the largest file that is wanted.
        """
        number = 0
        for archive in self.archives():
            try:
                for member in read_members(archive, wanted, most):
                    number += 1
                    if number > limits.MEMBERS:
                        raise DamagedArchive(f"it has more than {limits.MEMBERS} files")
                    yield member
            except (DamagedArchive, UnreadableStream) as error:
                self.fault = f"{error} (segment at byte {self._at})"
                return

    def archives(self) -> Iterator[ByteReader]:
        """Every archive, each to be read up to its trailer before the next is asked for."""
        self.segments, self.fault = [], None
        self._allowance = UnpackingAllowance(limits.UNPACKED)
        if self._path.stat().st_size == 0:
            self.fault = "the file is empty"
            return
        with (
            self._path.open("rb") as stream,
            mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
            memoryview(mapped) as content,
        ):
            self._at = _skip_zeros(content, 0)
            while self._at < len(content) and self.fault is None:
                try:
                    yield from self._segment(content)
                except UnreadableStream as error:
                    self.fault = f"{error} (segment at byte {self._at})"

    def _segment(self, content: memoryview) -> Iterator[ByteReader]:
        """The archives of one segment."""
        start = self._at
        compression = detect(bytes(content[start : start + 8]))
        if compression is None:
            self.fault = f"unknown format at byte {start}"
            return
        if compression is Compression.NONE:
            pieces = range(start, len(content), _PIECE)
            source = ByteReader(bytes(content[at : at + _PIECE]) for at in pieces)
            yield source
            end = start + source.position
        else:
            packed = DecompressedStream(content, start, compression, self._allowance)
            yield from _within(ByteReader(iter(packed)))
            end = packed.end
        self.segments.append(Segment(start, end, compression))
        self._at = _skip_zeros(content, end)


def _within(source: ByteReader) -> Iterator[ByteReader]:
    """The archives within one compressed stream, zeros between them skipped."""
    while True:
        first = source.read(1)
        while first == b"\0":
            first = source.read(1)
        if not first:
            return
        yield _Resumed(source, first)


class _Resumed(ByteReader):
    """A source with some bytes put back in front."""

    def __init__(self, source: ByteReader, head: bytes):
        super().__init__(iter(()))
        self._source = source
        self._head = head

    def read(self, size: int) -> bytes:
        taken, self._head = self._head[:size], self._head[size:]
        return taken + self._source.read(size - len(taken))

    def skip(self, size: int) -> None:
        taken = min(size, len(self._head))
        self._head = self._head[taken:]
        self._source.skip(size - taken)


def _skip_zeros(content: memoryview, at: int) -> int:
    while at < len(content):
        piece = bytes(content[at : at + 4096])
        rest = piece.lstrip(b"\0")
        if rest:
            return at + len(piece) - len(rest)
        at += len(piece)
    return at


def resolve(path: str, links: dict[str, str]) -> str:
    """A path inside the initramfs with symbolic links among its folders followed.

    :param links: target by path, for every symbolic link.
    """
    parts = path.split("/")
    done: list[str] = []
    for _ in range(64):  # a loop of links ends here
        if not parts:
            break
        part = parts.pop(0)
        if part in ("", "."):
            continue
        if part == "..":
            done = done[:-1]
            continue
        target = links.get("/".join([*done, part])) if parts else None
        if target is None:
            done.append(part)
        else:
            parts = target.split("/") + parts
            if target.startswith("/"):
                done = []
    return "/".join(done + parts)


def link_targets(members: dict[str, Member]) -> dict[str, str]:
    """The target of every symbolic link among members by name."""
    return {
        name: member.data.decode("utf-8", "surrogateescape")
        for name, member in members.items()
        if stat.S_ISLNK(member.mode) and member.data is not None
    }
