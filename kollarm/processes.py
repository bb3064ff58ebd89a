"""Telling processes apart: an id alone says little, as ids are used again."""

from __future__ import annotations

from pathlib import Path

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def start_time(pid: int) -> str | None:
    """When a process started, in clock ticks since boot; None for one that is gone or a zombie.

    Field 22 of /proc/PID/stat (proc(5)); it stays the same across exec.
    """
    try:
        # The second field, in brackets, may hold blanks.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]
