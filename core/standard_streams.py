"""Standard output and error, which may be closed, or read by nobody any more."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TextIO


def open_missing() -> None:
    """Open /dev/null as each standard stream that was closed by whoever started this process.

    Otherwise the next file that is opened would take its place.
    """
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(number, True)
    os.close(number)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115


def write_output(text: str) -> None:
    """Write a result to standard output.

    A reader that has gone, such as ``head``, needs no more of it.

    :raises OSError: it can't be written, for instance for want of space.
    """
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        _discard(sys.stdout)


class StandardError:
    """The standard error of the moment, as a file: a terminal that is gone ends no run."""

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except OSError:
            _discard(self._stream)
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError:
            _discard(self._stream)

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()

    @property
    def encoding(self) -> str:
        return self._stream.encoding

    @property
    def _stream(self) -> TextIO:
        if sys.stderr is None:
            open_missing()
        # While rich shows a live line, it has put itself before standard error.
        stream: TextIO = getattr(sys.stderr, "rich_proxied_file", sys.stderr)
        return stream


def _discard(stream: TextIO) -> None:
    """Let everything that a stream still holds, and will be given, go to /dev/null.

    Python would try to write the rest when it ends, and report that it can't.
    """
    with contextlib.suppress(OSError, ValueError):
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, stream.fileno())
        os.close(nothing)
