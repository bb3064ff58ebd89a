"""The log file: every run of a command writes one, and a failure names it."""

from __future__ import annotations

import logging
import os
import sys
import time
from pathlib import Path

from core.errors import KollarmError
from core.paths import log_dir
from core.text_output import printable

#: Runs whose logs are kept.
KEEP = 50

#: Libraries that would fill the log with their own bookkeeping.
NOISY = ("urllib3", "docker", "keystoneauth", "stevedore", "openstack", "PIL")


class _Formatter(logging.Formatter):
    """Leaves out what a terminal that shows the log would carry out."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))


def start(command: str) -> Path | None:
    """Begin the log of this run and return its path; None where none can be written.

    :param command: the command's words, which become part of the file's name.
    """
    stamp = time.strftime("%Y%m%d-%H%M%S")
    name = "-".join(word for word in command.split() if word.isalnum()) or "kollarm"
    try:
        folder = log_dir()
        path = folder / f"{stamp}-{name[:100]}-{os.getpid()}.log"
        folder.mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(path, encoding="utf-8")
    except (KollarmError, OSError):
        # without any handler Python would print warnings, which the progress shows already
        logging.getLogger().addHandler(logging.NullHandler())
        return None
    path.chmod(0o600)  # output of foreign programs may hold what is nobody else's business
    handler.setFormatter(_Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    # Where the disk is full, the run's own error says so once, not every line of the log.
    logging.raiseExceptions = False
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    for library in NOISY:
        logging.getLogger(library).setLevel(logging.INFO)
    others = sorted(one for one in folder.glob("*.log") if one != path)
    for old in others[: -(KEEP - 1)]:  # after a clock's jump this run's own may be the oldest
        old.unlink(missing_ok=True)
    logging.getLogger(__name__).debug("command: kollarm %s; python %s", command, sys.version)
    return path
