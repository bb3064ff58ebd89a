"""The finished file has the overlay's content, whichever way it is written, and is no larger."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from core.run import run
from guestprep import result_file
from guestprep.source import DiskFacts, disk_facts

pytestmark = pytest.mark.integration

MIB = 1 << 20
SIZE = 256 * MIB

#: What can't be compressed.
NOISE = os.urandom(4 * MIB)

#: Changes of compressed, of incompressible and of unused clusters, of parts of them, and by zeros.
CHANGES = (
    "write -P 0x55 20M 3M", "write -P 7 9M 4k", "write -z 30M 1M", "write -P 0 41M 1M",
    "discard 50M 8M", "write -P 9 130M 1M", "write -P 3 200M 1M",
)  # fmt: skip


def source(folder: Path, *options: str) -> DiskFacts:
    """A disk with text in its first half, and what can't be compressed behind that."""
    raw, made = folder / "source.raw", folder / "source.qcow2"
    with raw.open("wb") as disk:
        for number in range(120 * MIB // 4096):
            disk.write(f"{number} ".encode().ljust(64) * 64)
        disk.seek(128 * MIB)
        disk.write(NOISE)
        disk.write(bytes(100))
        disk.truncate(SIZE)
    run([
        "qemu-img", "convert", "-O", "qcow2", *options, "-S", "4k",
        *("-f", "raw", raw, made),
    ])  # fmt: skip
    raw.unlink()
    return disk_facts(made)


def overlay(folder: Path, disk: DiskFacts, size: int = SIZE) -> Path:
    path = folder / "overlay.qcow2"
    run(
        ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", disk.path, path, str(size)]
    )
    run(["qemu-io", "-f", "qcow2", path], stdin="\n".join(CHANGES).encode())
    return path


def same(one: Path, other: Path) -> bool:
    return run(["qemu-img", "compare", "-q", one, other], check=False).status == 0


@pytest.mark.parametrize("size", [SIZE, 2 * SIZE])
def test_only_what_changed_is_compressed_again(tmp_path: Path, size: int) -> None:
    disk = source(tmp_path, "-c")
    assert result_file.can_be_copied(disk)
    changed, result = overlay(tmp_path, disk, size), tmp_path / "result.qcow2"
    result_file.write_changed_copy(changed, disk, result)
    assert same(changed, result)
    found = disk_facts(result)  # it is checked here
    assert (found.virtual_size, found.compression) == (size, "zlib")


@pytest.mark.parametrize(
    ("options", "compression", "used"),
    [
        (("-c",), "zlib", False),
        (("-c",), "zlib", True),
        (("-c",), "zstd", False),
        (("-c",), "none", False),
        ((), "zlib", False),
        (("-c", "-o", "cluster_size=2M"), "zlib", False),
        (("-c", "-o", "compat=0.10"), "zlib", False),
        (("-c", "-o", "compression_type=zstd"), "zstd", False),
    ],
)
def test_the_result_has_the_changes(
    tmp_path: Path, options: tuple[str, ...], compression: str, used: bool
) -> None:
    disk = source(tmp_path, *options)
    changed, result = overlay(tmp_path, disk), tmp_path / "result.qcow2"
    result_file.write(changed, disk, result, compression, used=used)
    assert same(changed, result)
    found = disk_facts(result)
    assert compression in ("none", found.compression)
    anew = tmp_path / "anew.qcow2"
    flags = () if compression == "none" else ("-c", "-o", f"compression_type={compression}")
    run(["qemu-img", "convert", "-f", "qcow2", "-O", "qcow2", *flags, changed, anew])
    assert found.file_size <= disk_facts(anew).file_size * 1.1 + MIB


def test_what_a_machine_left_is_in_no_copy(tmp_path: Path) -> None:
    """A used image is written anew: nothing that the changes removed is in its file."""
    disk = source(tmp_path, "-c")
    assert NOISE[:64] in Path(disk.path).read_bytes()
    changed, result = overlay(tmp_path, disk), tmp_path / "result.qcow2"
    run(["qemu-io", "-f", "qcow2", "-c", "write -z 128M 4M", changed])
    result_file.write(changed, disk, result, "zlib", used=True)
    assert NOISE[:64] not in result.read_bytes()
