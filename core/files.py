"""Writing files so that a reader never sees half of one."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic(path: Path, *, mode: int = 0o644) -> Iterator[Path]:
    """A temporary path beside *path* that takes its name when the block ends well.

    On any exception the temporary file is removed and *path* stays as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    os.close(handle)
    work = Path(name)
    try:
        yield work
        work.chmod(mode)
        work.replace(path)
    finally:
        work.unlink(missing_ok=True)


def write(path: Path, content: str | bytes, *, mode: int = 0o644) -> None:
    """Replace a file's whole content at once."""
    with atomic(path, mode=mode) as work:
        work.write_bytes(content.encode() if isinstance(content, str) else content)
