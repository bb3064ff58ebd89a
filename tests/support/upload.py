"""Uploads: disk images of random content, and what publishing one costs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from guestprep.publish.cloud import Glance
from kollarm.services.glance import EmbeddedGlance

MIB = 1 << 20

#: The command itself; the peak of its memory (proc(5), VmHWM) goes to standard output.
PUBLISH = """
import sys
from pathlib import Path
from kollarm.cli.main import main
status = main(["--quiet", "guest", "publish", *sys.argv[1:]])
lines = Path("/proc/self/status").read_text().splitlines()
print(next(line.split()[1] for line in lines if line.startswith("VmHWM")))
sys.exit(status)
"""


class UploadCost(NamedTuple):
    """The cost of one upload by kollarm."""

    seconds: float
    """From making Glance's record to having read everything back."""
    memory: float
    """MiB that the process had at most."""


def disk(path: Path, mebibytes: int) -> Path:
    """A qcow2 of incompressible content, all of it in the page cache."""
    raw = path.with_suffix(".raw")
    with raw.open("wb") as stream:
        for _ in range(mebibytes):
            stream.write(os.urandom(MIB))
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, path], check=True)
    raw.unlink()
    return path


def upload(service: EmbeddedGlance, api: Glance, image: Path) -> UploadCost:
    """``kollarm guest publish FILE``: hashed, uploaded, checked, named."""
    done = subprocess.run(
        [sys.executable, "-c", PUBLISH, image, "--unchecked", "--json"],
        env=dict(os.environ)
        | {"OS_CLIENT_CONFIG_FILE": str(service.clouds_yaml), "OS_CLOUD": service.cloud},
        cwd=image.parent,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    document, _, peak = done.stdout.strip().rpartition("\n")
    (record,) = json.loads(document)
    api.delete(record["image_id"])
    return UploadCost(record["seconds"], int(peak) / 1024)
