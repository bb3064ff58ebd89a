"""Facts of a disk file, and the refusal of files that are not a complete disk by themselves.

The header is read here, before any of QEMU's tools sees the file: an image can name other files
and servers, which QEMU would open (a backing file, an external data file, the extents of a VMware
disk). QEMU's tools are then always given the format, and the path that was looked at. If they
guessed the format, they would take what a guest wrote to a raw disk's first sector for a header.
"""

from __future__ import annotations

import json
import os
import shlex
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from core.errors import CommandError, UnusableInput
from core.run import run
from guestprep.source.local_file import open_regular, resolve
from guestprep.source.qcow2 import HEADER_SIZE, MAGIC, parse_header

#: Exit statuses of ``qemu-img check`` for an image that is whole (qemu-img(1)): consistent, or
#: with leaked clusters, which waste room and harm nothing.
_WHOLE = (0, 3)

#: Where a GPT's header or an MBR's signature is, by the size of a logical block.
_GPT_OFFSETS = (512, 4096)


@dataclass(frozen=True)
class DiskFacts:
    """A disk file."""

    path: str
    """Absolute, with all links followed: what QEMU and the appliance are to open."""
    format: str
    """``qcow2`` or ``raw``."""
    virtual_size: int
    """Bytes of the disk as a guest sees it."""
    file_size: int
    """Bytes of the file."""
    compression: str | None
    """Qcow2's compression of clusters (``zlib``, ``zstd``); None for raw."""


def disk_facts(path: Path) -> DiskFacts:
    """The facts of a disk file, which is read only.

    :raises UnusableInput: missing, unreadable, not a disk, cut short, or a disk that needs
        another file (backing file, external data file) or a key.
    """
    with open_regular(path) as stream:
        head = stream.read(8192)
        size = os.fstat(stream.fileno()).st_size
    if head[:4] == MAGIC:
        _refuse_dependent(path, head)
        return _checked_qcow2(path, size)
    if not _has_partition_table(head):
        raise _not_a_disk(path, head)
    _refuse_cut_raw(path, head, size)
    return DiskFacts(str(resolve(path)), "raw", size, size, None)


def _refuse_dependent(path: Path, head: bytes) -> None:
    header = parse_header(head[:HEADER_SIZE])
    if header is None:
        raise UnusableInput(
            f"{path} is a qcow2 image cut short: its header is not complete",
            hint="download or copy it again",
        )
    if header.has_backing_file:
        raise UnusableInput(
            f"{path} has a backing file: it holds only the difference to another image",
            hint=_convert(path),
        )
    if header.has_data_file:
        raise UnusableInput(f"{path} keeps its data in an external file", hint=_convert(path))
    if header.encrypted:
        raise UnusableInput(f"{path} is an encrypted qcow2 image", hint="decrypt it first")
    if header.marked_corrupt:
        raise UnusableInput(
            f"{path} is marked corrupt by QEMU", hint="download or copy the image again"
        )


def _checked_qcow2(path: Path, size: int) -> DiskFacts:
    """Let QEMU read the image's own tables: any that point beyond the end mean a cut file."""
    file = resolve(path)
    try:
        result = run(["qemu-img", "info", "--output=json", "-f", "qcow2", file], timeout=60)
    except CommandError as error:
        if error.status == 127:
            raise
        raise _damaged(path, error.details) from error
    info = cast(dict[str, object], json.loads(result.stdout))
    checked = run(["qemu-img", "check", "-q", "-f", "qcow2", file], timeout=600, check=False)
    if checked.status not in _WHOLE:
        lines = (checked.stderr or checked.stdout).strip().splitlines()
        raise _damaged(path, "\n".join(lines[:5]))
    specific = cast(dict[str, dict[str, str]], info.get("format-specific", {})).get("data", {})
    return DiskFacts(
        path=str(file),
        format="qcow2",
        virtual_size=cast(int, info["virtual-size"]),
        file_size=size,
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


def _refuse_cut_raw(path: Path, head: bytes, size: int) -> None:
    """A GPT has a copy at the disk's end (UEFI 2.10, 5.3.2): a file that ends before it is cut."""
    for block in _GPT_OFFSETS:
        if head[block : block + 8] == b"EFI PART":
            (copy,) = struct.unpack_from("<Q", head, block + 32)
            if size < (copy + 1) * block:
                raise UnusableInput(
                    f"{path} is a raw disk cut short: its partition table's copy at the end "
                    "is missing",
                    hint="download or copy it again, and compare its checksum",
                )
            return


def _convert(path: Path) -> str:
    whole = path.with_name(f"{path.stem}-whole.qcow2")
    command = shlex.join(["qemu-img", "convert", "-O", "qcow2", str(path), str(whole)])
    return f"if you trust where it comes from, make a complete image of it: {command}"


def _not_a_disk(path: Path, head: bytes) -> UnusableInput:
    """The refusal of a file by what it probably is, for the person who named it by mistake."""
    for magic, name in {b"KDMV": "VMware", b"conectix": "VHD", b"vhdxfile": "VHDX"}.items():
        if head.startswith(magic):
            return UnusableInput(f"{path} is a {name} disk, not qcow2 or raw", hint=_convert(path))
    return UnusableInput(
        f"{path} is not a disk image: {_known_kind(head)}",
        hint="a qcow2 or raw image of a whole disk with a partition table is needed",
    )


def _known_kind(head: bytes) -> str:
    kinds = {
        b"\x1f\x8b": "it is compressed with gzip",
        b"\xfd7zXZ\x00": "it is compressed with xz",
        b"\x28\xb5\x2f\xfd": "it is compressed with zstd",
        b"<!DOCTYPE": "it is an HTML page, perhaps an error message of a download",
        b"<html": "it is an HTML page, perhaps an error message of a download",
    }
    if not head:
        return "it is empty"
    for magic, kind in kinds.items():
        if head.startswith(magic):
            return kind
    return "it has neither a qcow2 header nor a partition table"
