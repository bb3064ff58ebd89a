"""The file that is published.

Glance accepts a qcow2 that was cut short, and refuses one with a backing file only after all of
it was sent: so the file is looked at before.
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Collection
from pathlib import Path

from core.errors import UnusableInput
from guestprep.publish import format_rules
from guestprep.publish.model import LocalImage
from guestprep.source import disk_facts
from guestprep.source.local_file import open_regular


def read_facts(path: Path) -> LocalImage:
    """The facts of a file, without its digests.

    :raises UnusableInput: as :func:`guestprep.source.disk_facts`; or its format is one that Glance
        and Nova refuse.
    """
    disk = disk_facts(path)
    with open_regular(path) as stream:
        wrong = format_rules.fault(disk.format, stream.read(format_rules.HEAD))
    if wrong is not None:
        accepted = path.with_name(f"{path.stem}-plain.qcow2")
        words = ["qemu-img", "convert", "-f", disk.format, "-O", "qcow2", str(path), str(accepted)]
        raise UnusableInput(
            f"{path} would be refused by Glance, and by Nova: {wrong}",
            hint=f"publish it as a plain qcow2 image: {shlex.join(words)}",
        )
    return LocalImage(Path(disk.path), disk.file_size, disk.virtual_size, disk.format)


def digests(path: Path, algorithms: Collection[str]) -> dict[str, str]:
    """Digests of the file, all in one reading."""
    sums = {name: hashlib.new(name, usedforsecurity=False) for name in algorithms}
    if sums:
        with path.open("rb") as stream:
            while block := stream.read(1 << 20):
                for each in sums.values():
                    each.update(block)
    return {name: each.hexdigest() for name, each in sums.items()}
