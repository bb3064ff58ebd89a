"""Log files: every run of a command writes one, which a failure names; programs have others.

They are for their owner alone, and hold no passwords of URLs.
"""

from __future__ import annotations

import io
import logging
import os
import sys
import time
from pathlib import Path

from core.addresses import redacted
from core.errors import KollarmError
from core.files import private_folder
from core.paths import log_dir
from core.text_output import printable

#: Runs whose logs are kept.
KEEP = 50

#: Our packages, the only ones that log details: those of libraries have tokens in them.
OURS = ("builder", "core", "deploy", "guestprep", "kollarm", "testbed")


class _Formatter(logging.Formatter):
    """Leaves out what a terminal that shows the log would carry out, and passwords."""

    def format(self, record: logging.LogRecord) -> str:
        return redacted(printable(super().format(record)))


class LogFile(io.TextIOWrapper):
    """A program's log, begun anew, for its owner alone and without passwords of URLs.

    Write whole lines: a password is recognized within one of them, and each can be read at once,
    by those who watch a long run or look for the reason of one that was killed.
    """

    def __init__(self, path: Path):
        stream = open_private(path, append=False)
        super().__init__(stream, encoding="utf-8", errors="replace", line_buffering=True)

    def write(self, text: str) -> int:
        return super().write(redacted(text))


def open_private(path: Path, *, append: bool) -> io.BufferedWriter:
    """Open a file for writing that its owner alone may read, whoever could before."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | (os.O_APPEND if append else os.O_TRUNC)
    handle = os.open(path, flags, 0o600)
    os.fchmod(handle, 0o600)
    return io.BufferedWriter(io.FileIO(handle, "ab" if append else "wb"))


def start(command: str) -> Path | None:
    """Begin the log of this run and return its path; None where none can be written.

    :param command: the command's words, which become part of the file's name.
    """
    stamp = time.strftime("%Y%m%d-%H%M%S")
    name = "-".join(word for word in command.split() if word.isalnum()) or "kollarm"
    try:
        folder = log_dir()
        path = folder / f"{stamp}-{name[:100]}-{os.getpid()}.log"
        private_folder(folder)
        open_private(path, append=True).close()
        handler = logging.FileHandler(path, encoding="utf-8")
    except (KollarmError, OSError):
        # without any handler Python would print warnings, which the progress shows already
        logging.getLogger().addHandler(logging.NullHandler())
        return None
    handler.setFormatter(_Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    # Where the disk is full, the run's own error says so once, not every line of the log.
    logging.raiseExceptions = False
    root = logging.getLogger()
    root.addHandler(handler)
    log_details()
    others = sorted(one for one in folder.glob("*.log") if one != path)
    for old in others[: -(KEEP - 1)]:  # after a clock's jump this run's own may be the oldest
        old.unlink(missing_ok=True)
    logging.getLogger(__name__).debug("command: kollarm %s; python %s", command, sys.version)
    return path


def log_details() -> None:
    """Log the details (level DEBUG) of our own packages, and only what matters of libraries."""
    logging.getLogger().setLevel(logging.INFO)
    for package in OURS:
        logging.getLogger(package).setLevel(logging.DEBUG)
