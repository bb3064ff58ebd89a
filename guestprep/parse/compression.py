"""The compressions of initramfs segments: reading one from a file's middle, writing one.

The kernel's lib/decompress.c has the formats that it accepts.  A segment begins where the stream
before it ends, so every reader here also gives that position.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import shutil
import struct
import zlib
from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Protocol

import lz4.block  # type: ignore[import-untyped]
import zstandard

from core.progress import size
from guestprep import limits

#: Bytes handed to a decompressor at a time, and the greatest piece it gives back.
PIECE = 1 << 20

#: Bytes to unpack at once: zstd makes up to 128 KiB of 4, and memory has to hold what comes out.
FEED = 2048

#: lz4's legacy frame: a magic number, then blocks of at most 8 MiB with their size before each.
LZ4_MAGIC = 0x184C2102
_LZ4_BLOCK = 8 << 20


class Compression(StrEnum):
    """How a segment is compressed; the names are those of the programs."""

    NONE = "none"
    GZIP = "gzip"
    BZIP2 = "bzip2"
    LZMA = "lzma"
    XZ = "xz"
    LZO = "lzo"
    LZ4 = "lz4"
    ZSTD = "zstd"


_MAGICS = (
    (b"070701", Compression.NONE),
    (b"070702", Compression.NONE),
    (b"\x1f\x8b", Compression.GZIP),
    (b"\x1f\x9e", Compression.GZIP),
    (b"BZh", Compression.BZIP2),
    (b"\xfd7zXZ\x00", Compression.XZ),
    (b"]\x00\x00", Compression.LZMA),
    (b"\x89LZO", Compression.LZO),
    (struct.pack("<I", LZ4_MAGIC), Compression.LZ4),
    (b"\x28\xb5\x2f\xfd", Compression.ZSTD),
)


class UnreadableStream(ValueError):
    """A stream that is damaged, cut short or of an unsupported compression."""


def detect(head: bytes) -> Compression | None:
    """The compression by a segment's first bytes."""
    return next((compression for magic, compression in _MAGICS if head.startswith(magic)), None)


class UnpackingAllowance:
    """How much may be unpacked: one for all the streams of a file.

    :param most: bytes.
    """

    def __init__(self, most: int):
        self._most = self._left = most

    def take(self, amount: int) -> None:
        """Count what was unpacked.

        :raises UnreadableStream: it is more than allowed.
        """
        self._left -= amount
        if self._left < 0:
            raise UnreadableStream(f"it unpacks to more than {size(self._most)}")


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, /) -> bytes: ...


class DecompressedStream:
    """The decompressed content of one segment.

    Iterate over it for the content's pieces; :attr:`end` is then the offset just behind the
    compressed stream.

    :param allowance: where what is unpacked is counted.
    """

    def __init__(
        self,
        content: memoryview,
        start: int,
        compression: Compression,
        allowance: UnpackingAllowance,
    ):
        self._allowance = allowance
        self._content = content
        self._start = start
        self._compression = compression
        self.end = start

    def __iter__(self) -> Iterator[bytes]:
        if self._compression is Compression.LZ4:
            yield from self._lz4()
            return
        makers: dict[Compression, Callable[[], _Decompressor]] = {
            Compression.GZIP: lambda: zlib.decompressobj(31),
            Compression.BZIP2: bz2.BZ2Decompressor,
            Compression.LZMA: lambda: lzma.LZMADecompressor(
                lzma.FORMAT_ALONE, memlimit=limits.DICTIONARY
            ),
            Compression.XZ: lambda: lzma.LZMADecompressor(
                lzma.FORMAT_XZ, memlimit=limits.DICTIONARY
            ),
            Compression.ZSTD: lambda: zstandard.ZstdDecompressor().decompressobj(),
        }
        make = makers.get(self._compression)
        if make is None:
            raise UnreadableStream(f"reading {self._compression} is not supported")
        decompressor = make()
        at = self._start
        while not decompressor.eof:
            piece = bytes(self._content[at : at + FEED])
            if not piece:
                raise UnreadableStream(f"the {self._compression} stream is cut short")
            at += len(piece)
            try:
                content = decompressor.decompress(piece)
            except (zlib.error, OSError, lzma.LZMAError, zstandard.ZstdError, EOFError) as error:
                raise UnreadableStream(f"damaged {self._compression} stream: {error}") from error
            self._allowance.take(len(content))
            yield content
        self.end = at - len(decompressor.unused_data)

    def _lz4(self) -> Iterator[bytes]:
        at = self._start
        while at + 4 <= len(self._content):
            (size,) = struct.unpack_from("<I", self._content, at)
            if size == LZ4_MAGIC:  # the start, or a further archive directly behind
                at += 4
                continue
            # The format has no end mark: what can't be a block's size is behind the end.
            if (
                size == 0
                or at + 4 + size > len(self._content)
                or size > _LZ4_BLOCK + (_LZ4_BLOCK >> 7)
            ):
                break
            block = self._content[at + 4 : at + 4 + size]
            try:
                content = lz4.block.decompress(bytes(block), uncompressed_size=_LZ4_BLOCK)
            except lz4.block.LZ4BlockError as error:
                raise UnreadableStream(f"damaged lz4 stream: {error}") from error
            self._allowance.take(len(content))
            yield content
            at += 4 + size
        self.end = at


def decompress(data: bytes, compression: Compression, *, at_most: int) -> bytes:
    """What a whole file unpacks to, which may be several streams, one after the other.

    :raises UnreadableStream: it is damaged, or unpacks to more than *at_most* bytes.
    """
    content, at, pieces = memoryview(data), 0, []
    allowance = UnpackingAllowance(at_most)
    while content[at:].tobytes().strip(b"\0"):  # streams may be padded
        stream = DecompressedStream(content, at, compression, allowance)
        pieces += list(stream)
        at = stream.end
    return b"".join(pieces)


def compress(data: bytes, compression: Compression) -> bytes:
    """A stream the kernel can unpack; the same data gives the same bytes.

    :raises UnreadableStream: an unsupported compression.
    """
    writers: dict[Compression, Callable[[bytes], bytes]] = {
        Compression.NONE: bytes,
        Compression.GZIP: lambda data: gzip.compress(data, compresslevel=9, mtime=0),
        Compression.BZIP2: bz2.compress,
        Compression.LZMA: lambda data: lzma.compress(data, format=lzma.FORMAT_ALONE),
        # The kernel's decoder knows no other check than CRC32.
        Compression.XZ: lambda data: lzma.compress(
            data, format=lzma.FORMAT_XZ, check=lzma.CHECK_CRC32
        ),
        Compression.LZ4: _compress_lz4,
        Compression.ZSTD: zstandard.ZstdCompressor(level=12).compress,
    }
    if compression not in writers:
        raise UnreadableStream(f"writing {compression} is not supported")
    return writers[compression](data)


def _compress_lz4(data: bytes) -> bytes:
    parts = [struct.pack("<I", LZ4_MAGIC)]
    for at in range(0, len(data), _LZ4_BLOCK):
        block = lz4.block.compress(
            data[at : at + _LZ4_BLOCK], mode="high_compression", compression=9, store_size=False
        )
        parts += [struct.pack("<I", len(block)), block]
    return b"".join(parts)


def compress_file(source: Path, target: Path, compression: Compression) -> None:
    """The same for a whole file, without holding it in memory.

    :raises UnreadableStream: an unsupported compression.
    """
    with source.open("rb") as data, target.open("wb") as out:
        if compression is Compression.ZSTD:
            zstandard.ZstdCompressor(level=12).copy_stream(data, out)
        elif compression is Compression.GZIP:
            with gzip.GzipFile("", "wb", 6, out, mtime=0) as packed:
                shutil.copyfileobj(data, packed, PIECE)
        elif compression is Compression.XZ:
            with lzma.open(out, "wb", check=lzma.CHECK_CRC32, preset=1) as packer:
                shutil.copyfileobj(data, packer, PIECE)
        elif compression is Compression.LZ4:
            out.write(struct.pack("<I", LZ4_MAGIC))
            while block := data.read(_LZ4_BLOCK):
                out.write(_compress_lz4(block)[4:])
        else:
            out.write(compress(data.read(), compression))
