"""Opening files that the user or the configuration names: regular files, and nothing else."""

from __future__ import annotations

import os
import stat
from io import BufferedReader
from pathlib import Path

from core.errors import UnusableInput


def resolve(path: Path) -> Path:
    """The file's absolute path, with all links followed.

    QEMU's tools take a relative name that begins with a dash for an option, and one with a colon
    (``json:…``, ``nbd:…``, ``v1:disk.img``) for a protocol; an absolute path is always a file.

    :raises UnusableInput: there is no such file.
    """
    try:
        return path.resolve(strict=True)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UnusableInput(
            f"{path}: no such file", hint="check the path, or download the image first"
        ) from error
    except (OSError, RuntimeError, ValueError) as error:  # a circle of links, a NUL, too long
        reason = getattr(error, "strerror", None) or str(error)
        raise UnusableInput(f"{path} can't be read: {reason}") from error


def open_regular(path: Path) -> BufferedReader:
    """A regular file, open for reading.

    Opening never waits, as it would for a named pipe without a writer, and a device is never
    opened: opening alone can have an effect there.

    :raises UnusableInput: missing, unreadable, or a folder, device, named pipe or socket.
    """
    file = resolve(path)
    try:
        if not stat.S_ISREG(file.lstat().st_mode):
            raise _not_a_file(path)
        handle = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_NOFOLLOW)
    except OSError as error:
        raise UnusableInput(f"{path} can't be read: {error.strerror}") from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):  # another one since
        os.close(handle)
        raise _not_a_file(path)
    return os.fdopen(handle, "rb")


def _not_a_file(path: Path) -> UnusableInput:
    return UnusableInput(
        f"{path} is not a file", hint="a disk image in a file is needed, not a folder or device"
    )
