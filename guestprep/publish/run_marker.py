"""The mark of the run that an image in a cloud belongs to, to tell a killed run from a live one."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from core.processes import BOOT_ID, start_time
from guestprep.publish.model import RUN_MARK, RemoteImage
from guestprep.publish.plan import UNFINISHED


def mine() -> str:
    """This process's mark: ``MACHINE.BOOT.PID.STARTTIME``, the first two as digests."""
    return f"{_machine()}.{_boot()}.{os.getpid()}.{start_time(os.getpid())}"


def sort(images: Sequence[RemoteImage]) -> tuple[frozenset[str], frozenset[str]]:
    """The ids of unfinished images whose process still runs, and of those whose is gone.

    Uploads from other machines are in neither, as nothing is known of them.
    """
    alive: set[str] = set()
    gone: set[str] = set()
    for image in images:
        if image.status not in UNFINISHED:
            continue
        runs = standing(image.properties.get(RUN_MARK, ""))
        if runs is not None:
            (alive if runs else gone).add(image.id)
    return frozenset(alive), frozenset(gone)


def standing(mark: str) -> bool | None:
    """Whether the process that a mark belongs to still runs; None for another machine's."""
    match mark.split("."):
        case [machine, boot, pid, started] if machine == _machine() and pid.isdigit():
            return boot == _boot() and start_time(int(pid)) == started
    return None


def _machine() -> str:
    """A digest that tells machines, and containers of one machine, apart."""
    try:
        name = Path("/etc/machine-id").read_text(encoding="utf-8").strip()
    except OSError:
        name = ""
    return _short(name + os.uname().nodename)


def _boot() -> str:
    """A digest over this boot and this namespace of process ids."""
    boot = BOOT_ID.read_text(encoding="utf-8")
    return _short(boot + str(Path("/proc/self/ns/pid").readlink()))


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
