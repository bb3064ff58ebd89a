"""Locks on files, and one run at a time in a state folder.

A lock is flock(2)'s, which the kernel gives up with the process that held it, however that
ended. A state folder's stays until the programs that the process had started have ended too
(:mod:`core.orphans`); its content only tells others who holds it.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from core import orphans
from core.errors import KollarmError
from core.files import private_folder
from core.processes import start_time
from core.progress import duration

NAME = "run.lock"


@contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[IO[str]]:
    """Hold an exclusive lock on a file, made if missing, while the block runs.

    :raises BlockingIOError: without *wait*, another process holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield handle


@contextmanager
def held(state_dir: Path, command: str) -> Iterator[None]:
    """Have a state folder for this process alone while the block runs.

    :param command: what runs, for the message that a second run gets.
    :raises KollarmError: another run has it, or the folder can't be written.
    """
    with ExitStack() as stack:
        try:
            private_folder(state_dir)
            handle = _take(state_dir, stack)
            _describe(handle, {"pid": os.getpid(), "since": time.time(), "command": command})
        except BlockingIOError:
            raise _taken(state_dir) from None
        except OSError as error:
            raise KollarmError(
                f"the state folder {state_dir} can't be written: {error.strerror}",
                hint="name another one with state_dir, or check its permissions and free space",
            ) from error
        try:
            with orphans.guarded(handle.fileno()):
                yield
        finally:
            _describe(handle, {})


def _take(state_dir: Path, stack: ExitStack) -> IO[str]:
    """Take a state folder's lock; wait where its holder is gone but its programs still end."""
    patience = time.monotonic() + orphans.GRACE + 5
    while True:
        try:
            return stack.enter_context(locked(state_dir / NAME, wait=False))
        except BlockingIOError:
            if not _abandoned(state_dir) or time.monotonic() > patience:
                raise
            time.sleep(0.05)


def _abandoned(state_dir: Path) -> bool:
    """Whether the process that took a state folder's lock is gone."""
    try:
        pid = json.loads((state_dir / NAME).read_text(encoding="utf-8"))["pid"]
        return start_time(int(pid)) is None
    except (ValueError, KeyError, TypeError):
        return False


def _describe(handle: IO[str], holder: dict[str, object]) -> None:
    handle.truncate(0)
    handle.write(json.dumps(holder) if holder else "")
    handle.flush()


def _taken(state_dir: Path) -> KollarmError:
    try:
        holder = json.loads((state_dir / NAME).read_text(encoding="utf-8"))
        pid, since, command = int(holder["pid"]), float(holder["since"]), str(holder["command"])
        began = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(since))
    except (ValueError, KeyError, TypeError, OverflowError, OSError):
        # taken a moment ago and not yet described, or written by something else
        return KollarmError(
            f"another run of kollarm uses {state_dir}", hint="wait for it to end, then try again"
        )
    ago = duration(max(0.0, time.time() - since))
    return KollarmError(
        f"another run uses {state_dir}: process {pid} ({command}), since {began} ({ago} ago)",
        hint=f"wait for it to end, or end it with: kill {pid}; "
        "give another project its own state_dir",
    )
