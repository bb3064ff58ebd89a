"""Running the command and ending it at a moment of chance."""

from __future__ import annotations

import itertools
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.commands import COMMAND

SIGNALS = (signal.SIGKILL, signal.SIGTERM)


@dataclass(frozen=True)
class Run:
    """A command that ended, or was ended."""

    status: int
    seconds: float
    killed: bool
    """Whether it still ran when the signal was sent."""
    stderr: str


class Moments:
    """Moments at which to end a command: so many by each signal, at which it still ran.

    They are drawn over the time that the shortest whole run took.
    """

    def __init__(self, number: int, dice: random.Random, usual: Run):
        self._left = dict.fromkeys(SIGNALS, number)
        self._dice = dice
        self._seconds = usual.seconds

    def __iter__(self) -> Iterator[tuple[int, float, signal.Signals]]:
        """A number to tell it apart by, seconds after the start, the signal."""
        for number in itertools.count():
            chosen = max(SIGNALS, key=lambda one: self._left[one])
            if not self._left[chosen]:
                return
            yield number, self._dice.uniform(0.1, self._seconds), chosen

    def ended(self, by: signal.Signals, run: Run) -> str:
        """Take note of a run that was to be ended; what to count it as."""
        if run.killed:
            self._left[by] -= 1
            return f"by {by.name}"
        self.whole(run)
        return "whole before the moment came"

    def whole(self, run: Run) -> None:
        """Take note of a run that ended by itself."""
        self._seconds = min(self._seconds, run.seconds)


def run(
    words: Sequence[str | Path],
    environ: Mapping[str, str],
    *,
    after: float | None = None,
    number: signal.Signals = signal.SIGKILL,
) -> Run:
    """Run ``kollarm``; send a signal *after* that many seconds, if it still runs.

    :raises AssertionError: after SIGTERM it doesn't end within a minute.
    """
    began = time.monotonic()
    process = subprocess.Popen(
        [*COMMAND, *map(str, words)],
        env=dict(os.environ) | dict(environ),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )
    killed = False
    said = ""
    if after is not None:
        try:
            _, said = process.communicate(timeout=after)
        except subprocess.TimeoutExpired:
            killed = True
            process.send_signal(number)
    if killed or after is None:
        _, said = process.communicate(timeout=60 if killed else 1800)
    return Run(process.returncode, time.monotonic() - began, killed, said)
