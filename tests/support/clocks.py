"""Another clock for a command and what it starts, the real time untouched.

libfaketime, up to 0.9.10 at least, can't leave CLOCK_MONOTONIC alone without
breaking Python's ``time.sleep``: so a small library of our own (``clock.c``) does it.
"""

from __future__ import annotations

import itertools
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: How a run's clock is wrong, in seconds.
BEHIND, AHEAD = -400 * 86400, 400 * 86400


class Clock:
    """A clock that can be set, for whatever is run with :attr:`environ`."""

    def __init__(self, folder: Path, offset: int = 0):
        library = folder / "clock.so"
        source = Path(__file__).with_name("clock.c")
        subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", library, source], check=True)
        self._offset = folder / "offset"
        self.set(offset)
        self.environ = {"LD_PRELOAD": str(library), "FAULT_CLOCK": str(self._offset)}

    def set(self, offset: int) -> None:
        """Set it, in seconds after the real one."""
        new = self._offset.with_suffix(".new")
        new.write_text(f"{offset}\n")
        new.replace(self._offset)

    @contextmanager
    def jumping(self, seconds: float = 0.3) -> Iterator[None]:
        """Let it jump back and forth for as long as the block runs."""
        stop = threading.Event()

        def jump() -> None:
            for offset in itertools.cycle((AHEAD, 0, BEHIND, 0)):
                self.set(offset)
                if stop.wait(seconds):
                    return

        thread = threading.Thread(target=jump)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
