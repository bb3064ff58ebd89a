"""Guests of a few kilobytes that would use up the machine: the peak of memory of the command."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from core.paths import project_dir
from guestprep.parse.compression import Compression, compress
from guestprep.parse.cpio import Member, write_archive
from tests.faults.counts import count
from tests.support import guest_disks

MIB = 1 << 20

#: What any image may take; inspecting a harmless one takes a tenth of it.
MOST = 500

#: Runs a command, and tells the peak of this process's memory in KiB: libguestfs's virtual machine,
#: which has a memory of its own, is another process.
COMMAND = """\
import re, sys
from kollarm.cli import main
status = main.main(["guest", "inspect", sys.argv[1]])
[peak] = re.findall(r"VmHWM:\\s*([0-9]+)", open("/proc/self/status").read())
print("status", status, "peak", peak)
"""


def bomb(size: int) -> bytes:
    """A segment of an initramfs with one file of zeros."""
    archive = write_archive([Member("zeros", 0o100644, size, bytes(size))])
    return compress(archive, Compression.GZIP)


def long_status() -> str:
    """Of packages that provide as many names as fit."""
    names = ", ".join(f"{number:x}" for number in range(100_000, 230_000))
    one = f"Status: install ok installed\nVersion: 1\nProvides: {names}\n\n"
    return "".join(f"Package: p{number}\n{one}" for number in range(16))


INITRAMFS = f"boot/initrd.img-{guest_disks.VERSION}"
SETTINGS = {f"etc/modules-load.d/{number}.conf": MIB for number in range(200)}

#: Each with the exit status of the command.
RECIPES = {
    "nothing hostile": (0, guest_disks.Recipe()),
    "settings of 400 MiB": (1, guest_disks.Recipe(sparse={"etc/modules": 400 * MIB})),
    "os-release of 1 GiB": (1, guest_disks.Recipe(sparse={"etc/os-release": 1 << 30})),
    "dpkg's status of 16 GiB": (1, guest_disks.Recipe(sparse={"var/lib/dpkg/status": 16 << 30})),
    "200 settings of 1 MiB": (1, guest_disks.Recipe(sparse=SETTINGS)),
    "initramfs of 4 GiB": (1, guest_disks.Recipe(sparse={INITRAMFS: 4 << 30})),
    "initramfs that unpacks to 300 MiB": (0, guest_disks.Recipe()),
    "dpkg's status of 15 MiB": (0, guest_disks.Recipe(status=long_status())),
}


@pytest.mark.parametrize("what", RECIPES)
def test_inspecting_takes_little_memory(tmp_path: Path, what: str) -> None:
    status, recipe = RECIPES[what]
    if "unpacks" in what:
        recipe = replace(recipe, initramfs_tail=bomb(300 * MIB))
    disk = guest_disks.make(tmp_path / "guest.qcow2", tmp_path / "work", recipe)
    assert disk.stat().st_size < 8 * MIB
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, disk],
        cwd=project_dir(),
        check=True,
        capture_output=True,
        text=True,
    )
    words = done.stdout.split()
    peak = int(words[-1]) >> 10
    count("hostile sizes: peak in MiB", what, peak)
    count("hostile sizes: seconds", what, round(time.monotonic() - started))
    assert int(words[-3]) == status, done.stderr
    assert "Traceback" not in done.stderr
    assert peak < MOST
