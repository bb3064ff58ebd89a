"""A cache by content: an entry's name is a digest over everything it was made from.

An entry appears under its name only when complete, and two processes that want
the same entry make it once: the second waits for the first.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

from core.lock import locked
from core.paths import cache_dir


def full_digest(inputs: Mapping[str, object]) -> str:
    """The SHA-256 of plain data (anything JSON can hold), whatever the order of its keys."""
    text = json.dumps(inputs, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def digest(inputs: Mapping[str, object]) -> str:
    """A short hexadecimal name for plain data (anything JSON can hold)."""
    return full_digest(inputs)[:20]


def file_digest(path: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def entry(
    kind: str,
    name: str,
    make: Callable[[Path], None],
    *,
    in_place: bool = False,
    lifetime: float | None = None,
) -> Path:
    """The folder of a cache entry, made by *make* when it isn't there yet.

    *make* gets an empty folder to fill, which is removed when it fails.

    :param kind: the sort of thing, a folder of the cache (``"venv"``).
    :param name: usually ``f"{label}-{digest(inputs)}"``.
    :param in_place: make it under its final name, for things that hold their own
        path (virtual environments); a marker file tells when it is complete.
    :param lifetime: seconds; when an entry is made, those of its kind that nobody has
        asked for in so long are removed, except for those that a running process uses.
    """
    root = cache_dir() / kind
    final = root / name
    marker = final / ".complete"
    if marker.exists() and (lifetime is None or _use(final)):
        return final
    with locked(root / f".{name}.lock"):
        if marker.exists() and (lifetime is None or _use(final)):
            return final
        shutil.rmtree(final, ignore_errors=True)
        if in_place:
            work = final
            work.mkdir()
        else:
            work = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=root))
            work.chmod(0o755)
        try:
            make(work)
            (work / ".complete").touch()
            if not in_place:
                work.rename(final)
        except BaseException:
            shutil.rmtree(work, ignore_errors=True)
            raise
        if lifetime is not None:
            _use(final)
    if lifetime is not None:
        # by the file system's clock, which all entries have in common
        _remove_unused(root, marker.stat().st_mtime - lifetime)
    return final


#: The files that say that this process uses an entry, each held with a shared lock.
_HELD: dict[Path, IO[bytes]] = {}


def _use(entry: Path) -> bool:
    """Hold an entry for as long as this process lives; False when it is being removed."""
    mark = entry / ".used"
    if mark not in _HELD or not mark.exists():
        try:
            handle = mark.open("ab")
        except FileNotFoundError:
            return False
        fcntl.flock(handle, fcntl.LOCK_SH)
        _HELD[mark] = handle
    if not (entry / ".complete").exists():
        return False
    mark.touch()
    return True


def _remove_unused(root: Path, before: float) -> None:
    """Remove a kind's complete entries that no process holds, last asked for before a moment."""
    for marker in root.glob("*/.complete"):
        mark = marker.with_name(".used")
        with locked(root / f".{marker.parent.name}.lock"), contextlib.suppress(OSError):
            if (mark if mark.exists() else marker).stat().st_mtime >= before:
                continue
            with locked(mark, wait=False):  # refused (an OSError) where a process holds it
                gone = root / f".{marker.parent.name}.gone"
                marker.parent.rename(gone)  # at once: nobody finds half of it
                shutil.rmtree(gone)


def forget(kind: str, name: str, before: float) -> None:
    """Remove an entry that was completed before a moment (seconds since the epoch)."""
    root = cache_dir() / kind
    with locked(root / f".{name}.lock"):
        marker = root / name / ".complete"
        if marker.exists() and marker.stat().st_mtime < before:
            shutil.rmtree(root / name)
