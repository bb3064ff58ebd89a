"""An image as a raw disk, kept beside it as ``IMAGE.raw``.

Clouds on Ceph start guests of a raw image as clones of it; from any other they make a copy first.
"""

from __future__ import annotations

import os
from pathlib import Path

from core import files, progress
from core.run import BOUND, run
from guestprep.source import DiskFacts, disk_facts


def raw_path(image: Path) -> Path:
    """Where the raw disk of an image is."""
    return image.with_name(image.name + ".raw")


def made_of(image: Path) -> Path:
    """The image as a raw disk: itself, or a sparse copy, which is kept until the image changes.

    :raises UnusableInput: as :func:`guestprep.source.disk_facts`.
    :raises CommandError: it can't be converted, such as for want of room.
    """
    disk = disk_facts(image)
    if disk.format == "raw":
        return image
    raw = raw_path(image)
    changed = Path(disk.path).stat().st_mtime_ns
    if not _made_of(raw, changed, disk):
        with progress.current().step(f"convert {image.name} to raw"), files.atomic(raw) as new:
            # The format is told, as everywhere: QEMU must not guess it of a guest's bytes.
            run(
                [
                    *BOUND,
                    *("qemu-img", "convert", "-f", disk.format, "-O", "raw", "-S", "64k"),
                    *("-m", "8", disk.path, new),
                ]
            )
            # The time of what it was made of tells later runs that it still is.
            os.utime(new, ns=(changed, changed))
    return raw


def _made_of(raw: Path, changed: int, disk: DiskFacts) -> bool:
    try:
        kept = raw.stat()
    except FileNotFoundError:
        return False
    return (kept.st_mtime_ns, kept.st_size) == (changed, disk.virtual_size)
