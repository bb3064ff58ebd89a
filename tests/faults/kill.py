"""Running the command and ending it at a moment of chance."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.integration.commands import COMMAND

SIGNALS = (signal.SIGKILL, signal.SIGTERM)


def moments(
    number: int, dice: random.Random, seconds: float
) -> Iterator[tuple[int, float, signal.Signals]]:
    """*number* moments for each signal, drawn over what a run usually takes.

    :returns: a number to tell them apart by, seconds after the start, the signal.
    """
    for moment in range(number * len(SIGNALS)):
        yield moment, dice.uniform(0.1, seconds), SIGNALS[moment % len(SIGNALS)]


@dataclass(frozen=True)
class Run:
    """A command that ended, or was ended.

    :ivar killed: whether it still ran when the signal was sent.
    """

    status: int
    seconds: float
    killed: bool
    stderr: str


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
