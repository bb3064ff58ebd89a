"""Which partitions a guest's fstab means, and where it mounts them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from guestprep.facts import Partition
from guestprep.parse.text import FstabEntry

#: File systems that a Linux system is installed on.
LINUX_TYPES = ("ext2", "ext3", "ext4", "xfs", "btrfs")

#: A partition of the first disk, by the names that kernels give it.
_DEVICE = re.compile(r"/dev/(?:[hsv]da|xvda|nvme0n1p|mmcblk0p)([0-9]+)")

#: How udev writes a character that names in /dev may not have.
_UDEV_ESCAPE = re.compile(r"\\x([0-9a-fA-F]{2})")

#: What udev names a partition by in /dev/disk, and fstab's word for it (udev's
#: 60-persistent-storage.rules).
_BY = {
    "uuid": "UUID",
    "label": "LABEL",
    "partuuid": "PARTUUID",
    "partlabel": "PARTLABEL",
}


@dataclass(frozen=True)
class Mount:
    """A file system, and how to mount it."""

    device: str
    """The appliance's name for its partition."""
    where: str
    """The path to mount it at."""
    options: str = ""
    """Mount options, such as ``subvol=@``."""


def mounts_of(table: Sequence[FstabEntry], partitions: Sequence[Partition]) -> list[Mount]:
    """The mounts of an fstab whose partition is on the disk, those above others first."""
    found = []
    for entry in table:
        part = _resolve(entry, partitions)
        if part is not None:
            subvolume = [
                word for word in entry.options if word.startswith(("subvol=", "subvolid="))
            ]
            found.append(Mount(part.device, entry.where.rstrip("/") or "/", ",".join(subvolume)))
    return sorted(found, key=lambda mount: mount.where.rstrip("/").count("/"))


def absent(table: Sequence[FstabEntry], partitions: Sequence[Partition]) -> list[FstabEntry]:
    """The lines of an fstab whose file system must be there, and isn't on the disk."""
    return [
        entry
        for entry in table
        if entry.type in LINUX_TYPES
        and not {"nofail", "noauto"} & set(entry.options)
        and _resolve(entry, partitions) is None
    ]


def _resolve(entry: FstabEntry, partitions: Sequence[Partition]) -> Partition | None:
    """The partition or volume that an fstab's line means; None where it can't be told."""
    if match := _DEVICE.fullmatch(entry.source):
        return next((part for part in partitions if part.number == int(match[1])), None)
    kind, _, value = entry.source.partition("=")
    if entry.source.startswith("/dev/disk/by-"):
        by, _, value = entry.source.removeprefix("/dev/disk/by-").partition("/")
        kind, value = _BY.get(by, ""), _UDEV_ESCAPE.sub(lambda code: chr(int(code[1], 16)), value)
    for part in partitions:
        names = {
            "LABEL": part.label,
            "UUID": part.uuid,
            "PARTUUID": part.partuuid,
            "PARTLABEL": part.partlabel,
        }
        if entry.source in part.paths or (value and names.get(kind, "").lower() == value.lower()):
            return part
    return None
