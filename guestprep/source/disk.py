"""Facts of a disk file, and the refusal of files that are no complete disk by themselves."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from core.errors import CommandError, UnusableInput
from core.run import run
from guestprep.source.qcow2 import HEADER_SIZE, MAGIC, parse_header

#: Exit statuses of ``qemu-img check`` (qemu-img(1)).
_CHECK_FAILED, _CORRUPT = 1, 2

#: Where a GPT's header or an MBR's signature is, by the size of a logical block.
_GPT_OFFSETS = (512, 4096)


@dataclass(frozen=True)
class DiskFacts:
    """A disk file."""

    path: str
    format: str
    """``qcow2`` or ``raw``."""
    virtual_size: int
    """Bytes of the disk as a guest sees it."""
    file_size: int
    """Bytes of the file."""
    compression: str | None
    """Qcow2's compression of clusters (``zlib``, ``zstd``); None for raw."""


def disk_facts(path: Path) -> DiskFacts:
    """What kind of disk a file is.

    :raises UnusableInput: missing, unreadable, no disk, cut short, or a disk that needs
        another file (backing file, external data file) or a key.
    """
    head = _read_head(path)
    if head[:4] == MAGIC:
        _refuse_dependent(path, head)
        return _checked_qcow2(path)
    if not _has_partition_table(head):
        kind = _known_kind(head)
        raise UnusableInput(
            f"{path} is not a disk image: {kind}",
            hint="a qcow2 or raw image of a whole disk with a partition table is needed",
        )
    _refuse_cut_raw(path, head)
    return DiskFacts(
        path=str(path),
        format="raw",
        virtual_size=path.stat().st_size,
        file_size=path.stat().st_size,
        compression=None,
    )


def _read_head(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(8192)
    except FileNotFoundError as error:
        raise UnusableInput(
            f"{path}: no such file", hint="check the path, or download the image first"
        ) from error
    except IsADirectoryError as error:
        raise UnusableInput(f"{path} is a folder, not a disk image") from error
    except OSError as error:
        raise UnusableInput(f"{path} can't be read: {error.strerror}") from error


def _refuse_dependent(path: Path, head: bytes) -> None:
    header = parse_header(head[:HEADER_SIZE])
    if header is None:
        raise UnusableInput(
            f"{path} is a qcow2 image cut short: even its header isn't whole",
            hint="download or copy it again",
        )
    if header.has_backing_file:
        raise UnusableInput(
            f"{path} has a backing file: it holds only the difference to another image",
            hint=f"make it whole first: qemu-img convert -O qcow2 {path.name} whole.qcow2",
        )
    if header.has_data_file:
        raise UnusableInput(
            f"{path} keeps its data in an external file",
            hint=f"make it whole first: qemu-img convert -O qcow2 {path.name} whole.qcow2",
        )
    if header.encrypted:
        raise UnusableInput(f"{path} is an encrypted qcow2 image", hint="decrypt it first")
    if header.marked_corrupt:
        raise UnusableInput(
            f"{path} is marked corrupt by QEMU", hint="download or copy the image again"
        )


def _checked_qcow2(path: Path) -> DiskFacts:
    """Let QEMU read the image's own tables: any that point beyond the end mean a cut file."""
    try:
        done = run(["qemu-img", "info", "--output=json", "-f", "qcow2", path])
    except CommandError as error:
        if error.status == 127:
            raise
        raise _damaged(path, error.details) from error
    info = cast(dict[str, object], json.loads(done.stdout))
    checked = run(["qemu-img", "check", "-q", "-f", "qcow2", path], check=False)
    # Status 3 is leaked clusters: wasteful, not wrong.
    if checked.status in (_CHECK_FAILED, _CORRUPT):
        lines = (checked.stderr or checked.stdout).strip().splitlines()
        raise _damaged(path, "\n".join(lines[:5]))
    specific = cast(dict[str, dict[str, str]], info.get("format-specific", {})).get("data", {})
    return DiskFacts(
        path=str(path),
        format="qcow2",
        virtual_size=cast(int, info["virtual-size"]),
        file_size=path.stat().st_size,
        compression=specific.get("compression-type", "zlib"),
    )


def _damaged(path: Path, details: str | None) -> UnusableInput:
    return UnusableInput(
        f"{path} is a damaged qcow2 image, probably cut short",
        hint="download or copy it again, and compare its checksum",
        details=details,
    )


def _has_partition_table(head: bytes) -> bool:
    gpt = any(head[offset : offset + 8] == b"EFI PART" for offset in _GPT_OFFSETS)
    # The same two bytes end the boot sector of a file system; whether there is a table of
    # partitions in it is seen once the appliance has opened the disk.
    return gpt or (len(head) >= 512 and head[510:512] == b"\x55\xaa")


def _refuse_cut_raw(path: Path, head: bytes) -> None:
    """A GPT has a copy at the disk's end (UEFI 2.10, 5.3.2): a file that ends before it is cut."""
    for block in _GPT_OFFSETS:
        if head[block : block + 8] == b"EFI PART":
            (copy,) = struct.unpack_from("<Q", head, block + 32)
            if path.stat().st_size < (copy + 1) * block:
                raise UnusableInput(
                    f"{path} is a raw disk cut short: its partition table's copy at the end "
                    "is missing",
                    hint="download or copy it again, and compare its checksum",
                )
            return


def _known_kind(head: bytes) -> str:
    """What a file that isn't a disk probably is, for the person who named it by mistake."""
    kinds = {
        b"\x1f\x8b": "it is compressed with gzip",
        b"\xfd7zXZ\x00": "it is compressed with xz",
        b"\x28\xb5\x2f\xfd": "it is compressed with zstd",
        b"KDMV": "it is a VMware disk (qemu-img convert makes a qcow2 of it)",
        b"conectix": "it is a VHD disk (qemu-img convert makes a qcow2 of it)",
        b"vhdxfile": "it is a VHDX disk (qemu-img convert makes a qcow2 of it)",
        b"<!DOCTYPE": "it is an HTML page, perhaps an error message of a download",
        b"<html": "it is an HTML page, perhaps an error message of a download",
    }
    if not head:
        return "it is empty"
    for magic, kind in kinds.items():
        if head.startswith(magic):
            return kind
    return "it has neither a qcow2 header nor a partition table"
