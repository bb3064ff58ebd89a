"""Where Unix sockets can be: their paths are limited.

And the temporary folders that they are in, with what killed runs left of such folders.
"""

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

#: Bytes that a socket's path may have (``sun_path`` in unix(7)), without the NUL at its end.
PATH_LIMIT = 107

#: Seconds of age below which a folder is never taken for a killed run's leftover.
YOUNG = 60.0

#: Bytes that are left for the temporary folder's own name and the socket's.
_ROOM = 50


def temporary_base() -> Path:
    """The folder in which to make temporary folders for sockets.

    It is that of all temporary files (``$TMPDIR``), or ``/tmp`` where a socket's path would
    become too long.
    """
    usual = Path(tempfile.gettempdir()).absolute()
    return usual if len(os.fsencode(usual)) <= PATH_LIMIT - _ROOM else Path("/tmp")


@contextmanager
def socket_folder(prefix: str) -> Iterator[Path]:
    """A temporary folder for sockets, gone afterwards.

    What killed runs left behind is removed on the way: its lock is free.

    :param prefix: what the folder's name begins with, and those of other runs.
    """
    base = temporary_base()
    for old in base.glob(f"{prefix}*"):
        _remove_leftover(old)
    with tempfile.TemporaryDirectory(prefix=prefix, dir=base) as name:
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
