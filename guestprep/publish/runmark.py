"""Who uploads an image: a mark by which a later run tells a killed upload from a live one."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from guestprep.publish.model import RUN_MARK, RemoteImage
from guestprep.publish.plan import UNFINISHED
from kollarm.processes import BOOT_ID, start_time


def mine() -> str:
    """This process's mark: ``MACHINE.BOOT.PID.STARTTIME``, the first two as digests."""
    return f"{_machine()}.{_boot()}.{os.getpid()}.{start_time(os.getpid())}"


def sort(images: Sequence[RemoteImage]) -> tuple[frozenset[str], frozenset[str]]:
    """The ids of unfinished images whose process still runs, and of those whose is gone.

    About an upload from another machine nothing is known: it is in neither.
    """
    alive: set[str] = set()
    gone: set[str] = set()
    for image in images:
        if image.status not in UNFINISHED:
            continue
        match image.properties.get(RUN_MARK, "").split("."):
            case [machine, boot, pid, started] if machine == _machine() and pid.isdigit():
                running = boot == _boot() and start_time(int(pid)) == started
                (alive if running else gone).add(image.id)
    return frozenset(alive), frozenset(gone)


def _machine() -> str:
    """A digest that tells machines, and containers of one machine, apart."""
    try:
        name = Path("/etc/machine-id").read_text().strip()
    except OSError:
        name = ""
    return _short(name + os.uname().nodename)


def _boot() -> str:
    """A digest over this boot and this namespace of process ids."""
    boot = BOOT_ID.read_text()
    return _short(boot + str(Path("/proc/self/ns/pid").readlink()))


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
