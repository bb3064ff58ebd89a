"""A disk with a GPT and an EFI system partition, made without mounting anything."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from pathlib import Path

from core.run import run

SECTOR = 512
MIB = 1024 * 1024


@dataclass(frozen=True)
class PartitionSpec:
    """A partition to create."""

    number: int
    start: int
    """In bytes."""
    length: int
    """In bytes."""
    type_code: str
    """sgdisk's code of its type."""
    guid: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def last_sector(self) -> int:
        return (self.start + self.length) // SECTOR - 1


@dataclass(frozen=True)
class PartitionTable:
    """The partitions of a disk."""

    size: int
    """The size of the disk, in bytes."""
    root: PartitionSpec
    esp: PartitionSpec
    boot: PartitionSpec | None = None
    """The partition of /boot; None: it is on the root partition."""

    @property
    def partitions(self) -> tuple[PartitionSpec, ...]:
        return (self.root, self.esp, *((self.boot,) if self.boot else ()))


def cloud_table(size_mib: int, *, separate_boot: bool = False, esp_mib: int = 99) -> PartitionTable:
    """The usual table of arm64 cloud images: p15 (ESP) first, then p16 (/boot), then p1 (root)."""
    esp = PartitionSpec(15, 1 * MIB, esp_mib * MIB, "EF00")
    start = esp.start + esp.length
    boot = PartitionSpec(16, start, 300 * MIB, "EA00") if separate_boot else None
    if boot is not None:
        start += boot.length
    # The backup copy of the table is in the last 33 sectors.
    root = PartitionSpec(1, start, (size_mib - 1) * MIB - start, "8300")
    return PartitionTable(size_mib * MIB, root, esp, boot)


def partition(disk: Path, table: PartitionTable) -> None:
    """Create an empty (sparse) disk with this table."""
    with disk.open("wb") as stream:
        stream.truncate(table.size)
    arguments = [
        word
        for part in table.partitions
        for word in (
            f"--new={part.number}:{part.start // SECTOR}:{part.last_sector}",
            f"--typecode={part.number}:{part.type_code}",
            f"--partition-guid={part.number}:{part.guid}",
        )
    ]
    run(["sgdisk", "--clear", *arguments, disk])


def fill_esp(disk: Path, esp: PartitionSpec, label: str, contents: dict[str, bytes]) -> None:
    """Create a FAT file system with these files in the EFI system partition."""
    target = f"{disk}@@{esp.start}"
    sectors = esp.length // SECTOR
    # The geometry is meaningless but mandatory. One sector per cluster: with larger and so
    # fewer clusters it would not be FAT32.
    geometry = ["-h", "255", "-s", "63", "-c", "1"]
    run(["mformat", "-i", target, "-F", *geometry, "-T", str(sectors), "-v", label, "::"])
    created: set[str] = set()
    for name, content in contents.items():
        folders = name.split("/")[:-1]
        for count in range(1, len(folders) + 1):
            folder = "/".join(folders[:count])
            if folder not in created:
                run(["mmd", "-i", target, f"::{folder}"])
                created.add(folder)
        run(["mcopy", "-i", target, "-", f"::{name}"], stdin=content)
