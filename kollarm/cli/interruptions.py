"""Ctrl-C, SIGTERM and a lost terminal: each ends a run once, with everything cleaned up.

While that is going on, further ones are refused: a cleaning that is cut short leaves servers,
mounts and half-made files behind. SIGKILL remains, and even after that no program lives on that
the run had started (:mod:`core.orphans`).
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from types import FrameType

from core.errors import EXIT_HANGUP, EXIT_INTERRUPTED

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interruption(KeyboardInterrupt):
    """A signal that ends the run.

    :param number: the signal's.
    """

    def __init__(self, number: int):
        super().__init__(signal.Signals(number).name)
        self.number = number


def handle() -> None:
    """Handle the signals that end a run, except those that are ignored, as nohup(1) has it."""
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)


def ignore() -> None:
    """Ignore these signals from now on: the run has ended, and its exit status is known."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def exit_status(error: BaseException) -> int:
    """The status of a run that was interrupted: 129 for a lost terminal, else 130."""
    cause = _interruption(error)
    lost = isinstance(cause, Interruption) and cause.number == signal.SIGHUP
    return EXIT_HANGUP if lost else EXIT_INTERRUPTED


def _interrupt(number: int, frame: FrameType | None) -> None:
    # Whoever cleans up does so while the interruption is being handled: in a finally clause, in
    # an except clause, on leaving a with block.
    if _interruption(sys.exception()) is None:
        raise Interruption(number)
    said = f"still cleaning up (kill -9 {os.getpid()} would leave things behind)\n"
    with contextlib.suppress(OSError):
        os.write(2, said.encode())  # print could be interrupted in the middle of another one


def _interruption(error: BaseException | None) -> KeyboardInterrupt | None:
    """The interruption that led to an exception, if one did."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error
