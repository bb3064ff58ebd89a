"""The folder beside a result where it is made: locked, and cleared of earlier runs' remains."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.cache import digest
from core.errors import KollarmError
from core.lock import locked
from core.paths import cache_dir

#: Bytes below which a file system counts as full.
FULL = 1 << 20


@contextmanager
def room(folder: Path) -> Iterator[None]:
    """Explain a failure by a full disk, where the disk is full.

    Programs that write to a guest's disk see only an input/output error.

    :raises KollarmError: the original one, or that the disk is full.
    """
    try:
        yield
    except KollarmError as error:
        if shutil.disk_usage(folder).free >= FULL:
            raise
        raise KollarmError(
            f"{folder.parent}: {os.strerror(errno.ENOSPC)}",
            hint="free some disk space, then run the same command again",
            details=error.message,
        ) from error


@contextmanager
def workplace(output: Path) -> Iterator[Path]:
    """An empty folder on the result's own file system, removed when the block ends.

    Its name follows from the result's, so that a run that was killed leaves nothing which the
    next one doesn't clear away.  Two runs for one result go one after the other.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    place = output.parent / f".{output.name}.kollarm"
    with locked(cache_dir() / "locks" / digest({"guest": str(place)})):
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        try:
            yield place
        finally:
            shutil.rmtree(place, ignore_errors=True)
