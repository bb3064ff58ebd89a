"""Initramfs files made to use up their reader."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest
import zstandard

from guestprep import limits
from guestprep.parse.cpio import Member, write_archive
from guestprep.parse.initramfs import InitramfsReader

MIB = 1 << 20


def header(name: str, size: int) -> bytes:
    """A cpio header that claims a size."""
    whole = write_archive([Member(name, 0o100644, 0, b"")])
    start = whole[: whole.index(name.encode()) + len(name) + 1]
    start += b"\0" * (-len(start) % 4)
    return start[:54] + b"%08x" % size + start[62:]


def bomb(path: Path, size: int) -> Path:
    """A few kilobytes that unpack to one file of *size* zeros."""
    packer = zstandard.ZstdCompressor(level=3).compressobj()
    with path.open("wb") as stream:
        stream.write(packer.compress(header("a.ko", size)))
        zeros = bytes(MIB)
        for _ in range(size // MIB):
            stream.write(packer.compress(zeros))
        stream.write(packer.compress(write_archive([])))
        stream.write(packer.flush())
    return path


def peak(path: Path, *, wanted: bool) -> tuple[float, InitramfsReader]:
    reader = InitramfsReader(path)
    tracemalloc.start()
    for _ in reader.members(lambda name: wanted):
        pass
    used = tracemalloc.get_traced_memory()[1] / MIB
    tracemalloc.stop()
    return used, reader


def test_what_is_skipped_needs_little_memory(tmp_path: Path) -> None:
    path = bomb(tmp_path / "bomb", 600 * MIB)
    assert path.stat().st_size < MIB
    used, reader = peak(path, wanted=False)
    assert used < 150
    assert reader.fault is None


def test_a_file_larger_than_any_is_refused_before_it_is_read(tmp_path: Path) -> None:
    used, reader = peak(bomb(tmp_path / "bomb", 600 * MIB), wanted=True)
    assert used < 150
    assert reader.fault is not None and "a file of 629145600 bytes" in reader.fault


def test_a_name_longer_than_any_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "name"
    path.write_bytes(header("a", 0)[:94] + b"%08x" % 0xFFFFFFFF + b"0" * 8 + bytes(64))
    _, reader = peak(path, wanted=True)
    assert reader.fault is not None and "a name of 4294967295 bytes" in reader.fault


def test_what_unpacks_without_end_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "UNPACKED", 32 * MIB)
    _, reader = peak(bomb(tmp_path / "bomb", 64 * MIB), wanted=False)
    assert reader.fault is not None and "unpacks to more than" in reader.fault
