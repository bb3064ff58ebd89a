"""The log of a run within a test."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core import logs


@contextmanager
def started(command: str) -> Iterator[Path]:
    """The log of a run that ends with the block."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    path = logs.start(command)
    assert path is not None
    try:
        yield path
    finally:
        for handler in set(root.handlers) - set(before):
            root.removeHandler(handler)
            handler.close()
        root.setLevel(level)
