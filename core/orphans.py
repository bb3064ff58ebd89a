"""Programs that this process started end with it, even when it is killed outright.

A killed process can't end its children, and a kolla-ansible without its parent would go on
changing hosts while the next run starts another one. So a guard, a shell in a session of its own,
is told of the process group of each program. It reads from a pipe, whose end of file means that
this process is gone: then it ends the groups that are left. It also holds the lock of the state
folder until they have ended.

The kernel's own means, PR_SET_PDEATHSIG (prctl(2)), reaches neither a program's children nor
programs that a thread started which has ended.
"""

from __future__ import annotations

import contextlib
import subprocess
import threading
from collections.abc import Iterator

#: Seconds that a program has to end after SIGTERM before it is killed.
GRACE = 10

#: Reads "+ GROUP" and "- GROUP"; at the end, SIGTERM, and SIGKILL to what is left after a while.
_GUARD = """
groups=' '
while read -r sign group; do
    case $sign in
        +) groups="$groups$group " ;;
        -) groups="${groups%% $group *} ${groups#* $group }" ;;
    esac
done
for group in $groups; do kill -s TERM -- "-$group"; done
tenths=0
for group in $groups; do
    while kill -s 0 -- "-$group" && [ "$tenths" -lt "${1}0" ]; do
        sleep 0.1
        tenths=$((tenths + 1))
    done
    kill -s KILL -- "-$group"
done
"""


class Guard:
    """The shell that ends programs when this process is gone.

    :param held: file descriptors that the guard keeps open, of files that are locked.
    :param grace: whole seconds between SIGTERM and SIGKILL.
    """

    def __init__(self, *held: int, grace: int = GRACE):
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", _GUARD, "sh", str(grace)],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            pass_fds=held,
            start_new_session=True,
        )

    @contextlib.contextmanager
    def watching(self, group: int) -> Iterator[None]:
        """Have a process group ended if this process is gone before the block ends."""
        self._tell(f"+ {group}")
        try:
            yield
        finally:
            self._tell(f"- {group}")

    def close(self) -> None:
        """End the guard, and what it still watches."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError, ValueError):  # it was killed, or is closed
            self._process.stdin.write(f"{line}\n".encode())


_lock = threading.Lock()
_guards: list[Guard] = []


def current() -> Guard:
    """The guard of programs that are started now."""
    with _lock:
        if not _guards:
            _guards.append(Guard())
        return _guards[-1]


@contextlib.contextmanager
def guarded(held: int) -> Iterator[None]:
    """Let a new guard watch the programs that are started while the block runs.

    :param held: the file descriptor of a locked file: the lock stays until they have ended.
    """
    guard = Guard(held)
    with _lock:
        _guards.append(guard)
    try:
        yield
    finally:
        with _lock:
            _guards.remove(guard)
        guard.close()
