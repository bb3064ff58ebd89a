"""A disk with a GPT and a UEFI system partition, composed without mounting anything."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from pathlib import Path

from core.run import run

SECTOR = 512
MIB = 1024 * 1024


@dataclass(frozen=True)
class PartitionSpec:
    """A partition: its number, where it starts and how long it is (bytes), its sgdisk type."""

    number: int
    start: int
    length: int
    type_code: str
    guid: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def last_sector(self) -> int:
        return (self.start + self.length) // SECTOR - 1


@dataclass(frozen=True)
class Table:
    """How a disk is divided."""

    size: int
    """Of the whole disk, in bytes."""
    root: PartitionSpec
    esp: PartitionSpec
    boot: PartitionSpec | None = None
    """The partition of /boot; None where that is on the root."""

    @property
    def partitions(self) -> tuple[PartitionSpec, ...]:
        return (self.root, self.esp, *((self.boot,) if self.boot else ()))


def cloud_table(size_mib: int, *, separate_boot: bool = False) -> Table:
    """As cloud images for arm64 are divided: p15 the ESP in front, p16 /boot, p1 the rest."""
    esp = PartitionSpec(15, 1 * MIB, 99 * MIB, "EF00")
    start = esp.start + esp.length
    boot = PartitionSpec(16, start, 300 * MIB, "EA00") if separate_boot else None
    if boot is not None:
        start += boot.length
    # The second copy of the table takes the last 33 sectors.
    root = PartitionSpec(1, start, (size_mib - 1) * MIB - start, "8300")
    return Table(size_mib * MIB, root, esp, boot)


def partition(disk: Path, table: Table) -> None:
    """Make *disk* an empty (sparse) disk with that table."""
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
    """Put a FAT file system with these files into the system partition."""
    place = f"{disk}@@{esp.start}"
    sectors = esp.length // SECTOR
    # The geometry means nothing any more, but mformat wants one. One sector per cluster:
    # with fewer, larger clusters it would be no FAT32.
    geometry = ["-h", "255", "-s", "63", "-c", "1"]
    run(["mformat", "-i", place, "-F", *geometry, "-T", str(sectors), "-v", label, "::"])
    made: set[str] = set()
    for name, content in contents.items():
        folders = name.split("/")[:-1]
        for count in range(1, len(folders) + 1):
            folder = "/".join(folders[:count])
            if folder not in made:
                run(["mmd", "-i", place, f"::{folder}"])
                made.add(folder)
        run(["mcopy", "-i", place, "-", f"::{name}"], stdin=content)
