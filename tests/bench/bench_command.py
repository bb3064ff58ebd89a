"""How quickly the command answers."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.bench.measure import Pair, Samples, at_most, measure

ROUNDS = 7


def seconds(argv: Sequence[str], folder: Path) -> float:
    """Wall-clock time of a command that succeeds."""
    started = time.monotonic()
    subprocess.run(argv, cwd=folder, stdout=subprocess.DEVNULL, check=True)
    return time.monotonic() - started


@measure(
    compared="`kollarm --help` against the same Python importing click, rich and pydantic",
    goal=at_most(3),
)
def help_page(folder: Path) -> Samples:
    """A command line that takes its time to say how it is used is not asked again."""
    base = [sys.executable, "-c", "import click, rich.console, pydantic"]
    ours = [sys.executable, "-m", "kollarm.cli.main", "--help"]
    seconds(ours, folder)  # the first one compiles
    for _ in range(ROUNDS):
        yield Pair(seconds(ours, folder), seconds(base, folder))
