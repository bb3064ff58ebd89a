"""Looking at the file before it is sent: what Glance would accept wrongly is found here.

Glance takes a qcow2 that was cut short, and refuses one with a backing file only
after all of it was sent.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from pathlib import Path

from core.errors import CommandError, UnusableInput
from core.run import run
from guestprep.publish.model import LocalImage

#: Glance's names of the formats that a prepared image can have.
FORMATS = ("qcow2", "raw")


def look(path: Path) -> LocalImage:
    """What the file is, without its digests.

    :raises UnusableInput: missing, no disk image, of another format, dependent on
        another file, or damaged.
    """
    if not path.is_file():
        raise UnusableInput(
            f"{path}: {'not a file' if path.exists() else 'no such file'}",
            hint="kollarm guest prepare makes the image that is published",
        )
    try:
        answer = run(["qemu-img", "info", "--output=json", path], timeout=60)
    except CommandError as error:
        if error.status == 127:
            raise
        raise UnusableInput(f"{path}: qemu-img can't read it", hint=error.output.strip()) from error
    info = json.loads(answer.stdout)
    specific = info.get("format-specific", {}).get("data", {})
    if info["format"] not in FORMATS:
        raise UnusableInput(
            f"{path}: its format is {info['format']}",
            hint=f"qemu-img convert -O qcow2 {path} {path.with_suffix('.qcow2')}",
        )
    for key, what in (("backing-filename", "backing file"), ("data-file", "external data file")):
        needed = info.get(key) or specific.get(key)
        if needed:
            raise UnusableInput(
                f"{path}: it needs its {what} {needed}, which Glance would not get",
                hint=f"qemu-img convert -O qcow2 {path} {path.with_suffix('.flat.qcow2')}",
            )
    if info["format"] == "qcow2":
        _check(path)
    elif not _has_boot_sector(path):
        raise UnusableInput(f"{path}: not a disk image: it has no partition table")
    return LocalImage(path, path.stat().st_size, info["virtual-size"], info["format"])


def digests(path: Path, algorithms: Collection[str]) -> dict[str, str]:
    """Digests of the file, all in one reading."""
    sums = {name: hashlib.new(name, usedforsecurity=False) for name in algorithms}
    if sums:
        with path.open("rb") as stream:
            while block := stream.read(1 << 20):
                for each in sums.values():
                    each.update(block)
    return {name: each.hexdigest() for name, each in sums.items()}


def _check(path: Path) -> None:
    """See that a qcow2 refers to nothing beyond its end.

    qemu-img check ends with 3 for clusters that are allocated for nothing, which harms nobody.
    """
    done = run(["qemu-img", "check", "-f", "qcow2", path], timeout=600, check=False)
    if done.status not in (0, 3):
        lines = (done.stdout + done.stderr).strip().splitlines()
        raise UnusableInput(
            f"{path}: damaged, or cut short: {lines[0] if lines else 'qemu-img check failed'}",
            hint="make or fetch it again",
        )


def _has_boot_sector(path: Path) -> bool:
    """Whether a raw disk begins with an MBR, which protects a GPT too (signature 55 AA)."""
    with path.open("rb") as stream:
        return stream.read(512)[510:] == b"\x55\xaa"
