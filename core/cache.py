"""A cache by content: an entry's name is a digest over everything it was made from.

An entry appears under its name only when complete, and two processes that want
the same entry make it once: the second waits for the first.
"""

from __future__ import annotations

import contextlib
import fcntl
import glob
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
    since: float | None = None,
) -> Path:
    """The folder of a cache entry, made by *make* when it isn't there yet.

    *make* gets an empty folder to fill, which is removed when it fails.

    :param kind: the sort of thing, a folder of the cache (``"venv"``).
    :param name: usually ``f"{label}-{digest(inputs)}"``.
    :param in_place: make it under its final name, for things that hold their own
        path (virtual environments); a marker file tells when it is complete.
    :param lifetime: seconds; when an entry is made, those of its kind that nobody has
        asked for in so long are removed, except for those that a running process uses.
    :param since: for things that are renewed: an entry from before this moment (seconds since the
        epoch) isn't taken, and another is made beside it. The older one goes when no running
        process uses it. 0 takes any.
    """
    root = cache_dir() / kind
    held = lifetime is not None or since is not None

    def present() -> Path | None:
        for found in _generations(root, name) if since is not None else [root / name]:
            marker = found / ".complete"
            with contextlib.suppress(FileNotFoundError):  # it is being removed
                if marker.stat().st_mtime < (since or 0.0):
                    return None
                if not held or _use(found):
                    return found
        return None

    if found := present():
        return found
    with locked(root / f".{name}.lock"):
        if found := present():
            return found
        final = _next_generation(root, name) if since is not None else root / name
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
        if held:
            _use(final)
        for older in _generations(root, name) if since is not None else ():
            if older != final:
                _remove_unless_used(older)
    if lifetime is not None:
        # by the file system's clock, which all entries have in common
        _remove_unused(root, (final / ".complete").stat().st_mtime - lifetime)
    return final


def _generations(root: Path, name: str) -> list[Path]:
    """The complete entries of a name, the newest first: NAME, and those made again later."""
    later = {
        int(path.name.rpartition("-")[2]): path
        for path in root.glob(f"{glob.escape(name)}.again-*")
        if path.name.rpartition("-")[2].isdecimal()
    }
    found = [root / name, *(later[number] for number in sorted(later))]
    return [path for path in reversed(found) if (path / ".complete").exists()]


def _next_generation(root: Path, name: str) -> Path:
    newest = next(iter(_generations(root, name)), None)
    if newest is None:
        return root / name
    last = newest.name.removeprefix(f"{name}.again-")
    return root / f"{name}.again-{int(last) + 1 if last.isdecimal() else 1}"


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
            if (mark if mark.exists() else marker).stat().st_mtime < before:
                _remove_unless_used(marker.parent)


def _remove_unless_used(entry: Path) -> None:
    """Remove an entry, whose lock is held, unless a process uses it."""
    with (
        contextlib.suppress(OSError),
        locked(entry / ".used", wait=False),  # refused (an OSError) where a process holds it
    ):
        gone = entry.with_name(f".{entry.name}.gone")
        shutil.rmtree(gone, ignore_errors=True)  # of a removal that was killed
        entry.rename(gone)  # at once: nobody finds half of it
        shutil.rmtree(gone)
