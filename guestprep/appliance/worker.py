"""The child process that holds the libguestfs handle.

A call into libguestfs cannot be interrupted from the thread that makes it, and
a launch on a broken KVM never returns.  So the handle lives here, in a session
and process group of its own: whoever started it can give up waiting at any
moment, and it ends itself, with the hypervisor, when its starter is gone.

The protocol: pickled requests ``(method, args, kwargs)`` on standard input,
pickled answers ``(True, value)`` or ``(False, message)`` on standard output.
The file descriptor named by the first argument is the lifeline, a pipe whose
other end the starter holds: its end of file means "end now".
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import sys
import threading
import time
from typing import Any

#: Seconds the hypervisor has to end after SIGTERM before everything is killed.
GRACE = 3.0

#: What QEMU prints when the processor state it was given can't be run by this KVM;
#: the virtual machine then stays paused for ever.
KVM_FAILURE = b"KVM internal error"


def end_group() -> None:
    """End every other process of this group, and after a grace time this one too."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.killpg(0, signal.SIGTERM)

    def kill() -> None:
        time.sleep(GRACE)
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=kill, daemon=True).start()


def watch(lifeline: int) -> None:
    """Wait until the starter is gone or wants an end."""
    with contextlib.suppress(OSError):
        os.read(lifeline, 1)
    os.killpg(0, signal.SIGTERM)
    time.sleep(GRACE)
    os.killpg(0, signal.SIGKILL)


def make_handle() -> Any:
    """A libguestfs handle that gives up at once when QEMU reports that KVM is broken."""
    import guestfs  # noqa: PLC0415 — its absence is an answer to the starter, not a crash

    handle = guestfs.GuestFS(python_return_dict=True)
    seen = bytearray()

    def on_output(_event: int, _handle: int, text: object, _array: object) -> None:
        seen.extend(text if isinstance(text, bytes) else str(text).encode("utf-8", "replace"))
        if KVM_FAILURE in seen:
            seen.clear()
            os.write(2, KVM_FAILURE + b"\n")
            end_group()
        del seen[:-8192]

    handle.set_event_callback(on_output, guestfs.EVENT_APPLIANCE)
    return handle


def serve(lifeline: int) -> None:
    """Answer requests until standard input ends."""
    # The starter ends the group with SIGTERM: that is for the hypervisor, while this
    # process stays to close the handle and to remove libguestfs's temporary folders.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=watch, args=(lifeline,), daemon=True).start()
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints must not end up between two answers
    requests = sys.stdin.buffer
    handle: Any = None
    answer: tuple[bool, object]
    while True:
        try:
            method, args, kwargs = pickle.load(requests)
        except EOFError:
            break
        try:
            if handle is None:
                handle = make_handle()
            answer = (True, getattr(handle, method)(*args, **kwargs))
        except Exception as error:  # every failure is an answer
            answer = (False, str(error) or type(error).__name__)
        pickle.dump(answer, answers)
        answers.flush()
    if handle is not None:
        with contextlib.suppress(Exception):
            handle.close()


if __name__ == "__main__":
    serve(int(sys.argv[1]))
