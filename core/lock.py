"""One run at a time in a state folder.

The lock is flock(2)'s, which the kernel gives up with the process that held it,
however that ended; the file's content only tells others who holds it.
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

from core.errors import KollarmError
from core.progress import duration

NAME = "run.lock"


@contextmanager
def held(state_dir: Path, command: str) -> Iterator[None]:
    """Have a state folder for this process alone while the block runs.

    :param command: what runs, for the message that a second run gets.
    :raises KollarmError: another run has it, or the folder can't be written.
    """
    path = state_dir / NAME
    with ExitStack() as stack:
        try:
            state_dir.mkdir(parents=True, exist_ok=True)
            handle = stack.enter_context(path.open("a+"))
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _describe(handle, {"pid": os.getpid(), "since": time.time(), "command": command})
        except BlockingIOError:
            raise _taken(state_dir, handle) from None
        except OSError as error:
            raise KollarmError(
                f"the state folder {state_dir} can't be written: {error.strerror}",
                hint="name another one with state_dir, or check its permissions and free space",
            ) from error
        try:
            yield
        finally:
            _describe(handle, {})


def _describe(handle: IO[str], holder: dict[str, object]) -> None:
    handle.seek(0)
    handle.truncate()
    handle.write(json.dumps(holder) if holder else "")
    handle.flush()


def _taken(state_dir: Path, handle: IO[str]) -> KollarmError:
    handle.seek(0)
    try:
        holder = json.loads(handle.read())
        pid, since, command = int(holder["pid"]), float(holder["since"]), str(holder["command"])
    except (ValueError, KeyError, TypeError):
        # taken a moment ago, and not yet described
        return KollarmError(
            f"another run of kollarm uses {state_dir}", hint="wait for it to end, then try again"
        )
    began = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(since))
    ago = duration(max(0.0, time.time() - since))
    return KollarmError(
        f"another run uses {state_dir}: process {pid} ({command}), since {began} ({ago} ago)",
        hint=f"wait for it to end, or end it with: kill {pid}; "
        "give another project its own state_dir",
    )
