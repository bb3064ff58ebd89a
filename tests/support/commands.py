"""Running the ``kollarm`` command as its user does, and interrupting it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

#: Seconds that any one command of the tests may take.
LIMIT = 1700.0

COMMAND = (sys.executable, "-m", "kollarm.cli.main")


@dataclass(frozen=True)
class Outcome:
    """A finished command."""

    status: int
    stdout: str
    stderr: str

    @property
    def document(self) -> Any:
        """The one JSON document on standard output."""
        return json.loads(self.stdout)


def kollarm(*words: str | Path, cwd: Path | None = None, **environ: str) -> Outcome:
    """Run a command to its end."""
    return run_within(LIMIT, words, cwd, environ)


def run_within(
    limit: float, words: Iterable[str | Path], cwd: Path | None, environ: Mapping[str, str]
) -> Outcome:
    """Run a command that may take *limit* seconds."""
    done = subprocess.run(
        [*COMMAND, *map(str, words)],
        cwd=cwd,
        env=dict(os.environ) | dict(environ),
        capture_output=True,
        text=True,
        timeout=limit,
        check=False,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def interrupted(sign: str, *words: str | Path, number: signal.Signals = signal.SIGINT) -> Outcome:
    """Run a command and interrupt it, as Ctrl-C does, when *sign* appears on standard error.

    :raises AssertionError: it ended before, or left a process behind.
    """
    process = subprocess.Popen(
        [*COMMAND, *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None and process.stderr is not None
    lines: list[str] = []
    seen = False
    watchdog = threading.Timer(LIMIT, process.kill)
    watchdog.start()
    children: list[psutil.Process] = []
    try:
        for line in process.stderr:
            lines.append(line)
            if not seen and sign in line:
                seen = True
                children = psutil.Process(process.pid).children(recursive=True)
                process.send_signal(number)
        output = process.stdout.read()
        status = process.wait()
    finally:
        watchdog.cancel()
    said = "".join(lines)
    assert seen, f"{sign!r} never appeared:\n{said}"
    _gone, alive = psutil.wait_procs(_own(children), timeout=15)
    assert not alive, f"left running: {[entry.name() for entry in alive]}"
    return Outcome(status, output, said)


def _own(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    """Those that aren't meant to outlive the command (the embedded services are)."""
    kept = []
    for entry in processes:
        try:
            if entry.name() not in ("docker-registry", "gunicorn"):
                kept.append(entry)
        except psutil.NoSuchProcess:
            continue
    return kept
