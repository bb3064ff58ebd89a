"""Telling processes apart: an id alone says little, as ids are used again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def start_time(pid: int) -> str | None:
    """When a process started, in clock ticks since boot; None for one that is gone or a zombie.

    It stays the same across exec.
    """
    fields = _fields(Path(f"/proc/{pid}/stat"))
    return fields[19] if fields else None


def group_lives(group: int) -> bool:
    """Whether a process group has a process that isn't a zombie."""
    return any(_of_group(group))


def runs_in_group(group: int, program: str) -> bool:
    """Whether a process of a group, not a zombie, has a name (its first 15 bytes; proc(5))."""
    return any(_name(process) == program for process in _of_group(group))


def _of_group(group: int) -> Iterator[Path]:
    """The folders in /proc of a group's processes, zombies left out."""
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            fields = _fields(process / "stat")
            if fields and fields[2] == str(group):
                yield process


def _name(process: Path) -> str:
    try:
        return (process / "comm").read_text(encoding="utf-8", errors="replace").rstrip("\n")
    except OSError:
        return ""


def _fields(stat: Path) -> list[str] | None:
    """The fields of /proc/PID/stat from the third on (proc(5)); None where nothing runs."""
    try:
        # The second field, in brackets, may hold blanks.
        fields = stat.read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields
