"""The temporary folder of a machine's sockets, and what killed runs left of such folders."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.sockets import temporary_base

PREFIX = "kollarm-boot-"

#: Seconds of age below which a folder is never taken for a killed run's leftover.
YOUNG = 60.0


@contextmanager
def machine_folder() -> Iterator[Path]:
    """A folder for a machine's sockets, gone afterwards.

    What a killed run left behind is removed on the way: its lock is free.
    """
    base = temporary_base()
    for old in base.glob(f"{PREFIX}*"):
        _remove_leftover(old)
    with tempfile.TemporaryDirectory(prefix=PREFIX, dir=base) as name:
        lock = os.open(Path(name) / "lock", os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield Path(name)
        finally:
            os.close(lock)


def _remove_leftover(folder: Path) -> None:
    """Remove a killed run's folder.

    Everybody may make folders of this name in /tmp. One that isn't this user's alone isn't even
    looked into: its lock could be a link to any file, or a named pipe that never opens.
    """
    try:
        status = folder.lstat()
        private = stat.S_ISDIR(status.st_mode) and not status.st_mode & 0o077
        if not private or status.st_uid != os.geteuid():
            return
        if time.time() - status.st_mtime < YOUNG:
            return  # perhaps not locked yet
        lock = os.open(folder / "lock", os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
    except BlockingIOError:
        return  # in use
    finally:
        os.close(lock)
