"""The folder beside a result where it is made: locked, and free of earlier runs' remains."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kollarm.cache import digest, locked
from kollarm.paths import cache_dir


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
