"""Disk images with content of no meaning, for uploads."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

MIB = 1 << 20


def disk(path: Path, mebibytes: int) -> Path:
    """A qcow2 of incompressible content, all of it in the page cache."""
    raw = path.with_suffix(".raw")
    with raw.open("wb") as stream:
        for _ in range(mebibytes):
            stream.write(os.urandom(MIB))
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, path], check=True)
    raw.unlink()
    return path
