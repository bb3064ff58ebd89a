"""Writing files so that a reader never sees half of one, and a power cut leaves no empty one."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic(path: Path, *, mode: int = 0o644) -> Iterator[Path]:
    """A temporary path beside *path* that takes its name when the block ends well.

    On any exception the temporary file is removed and *path* stays as it was. The content is on
    the disk before the name is, and one file's name before the next one's.

    :param mode: the permissions, from which the umask takes away.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    work = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    handle = os.open(work, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode)
    allowed = os.fstat(handle).st_mode & 0o777
    os.close(handle)
    try:
        yield work
        work.chmod(allowed)
        _sync(work)
        work.replace(path)
        _sync(path.parent)
    finally:
        work.unlink(missing_ok=True)


def write(path: Path, content: str | bytes, *, mode: int = 0o644) -> None:
    """Replace a file's whole content at once."""
    with atomic(path, mode=mode) as work:
        work.write_bytes(content.encode() if isinstance(content, str) else content)


def private_folder(path: Path) -> Path:
    """Make a folder for its owner alone (0700), unless it exists; return it."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def _sync(path: Path) -> None:
    """Have a file's or a folder's content written to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
