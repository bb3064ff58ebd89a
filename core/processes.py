"""Telling processes apart: an id alone says little, as ids are used again."""

from __future__ import annotations

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
    stats = (entry / "stat" for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return any(fields and fields[2] == str(group) for fields in map(_fields, stats))


def _fields(stat: Path) -> list[str] | None:
    """The fields of /proc/PID/stat from the third on (proc(5)); None where nothing runs."""
    try:
        # The second field, in brackets, may hold blanks.
        fields = stat.read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields
