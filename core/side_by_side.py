"""The same work for several items at once, in threads; an interruption ends what they run.

Ctrl-C raises its exception in the main thread alone.  So each program that a thread runs is known
here, with the function that ends it: then the thread's own clean-up runs, as after a failure.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_own = threading.local()


class _Crew:
    """Threads that work side by side, and the programs that they run."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._enders: set[Callable[[], None]] = set()
        self.stopped = False

    def join(self) -> None:
        """Make the calling thread one of them."""
        _own.crew = self

    @contextlib.contextmanager
    def running(self, end: Callable[[], None]) -> Iterator[None]:
        with self._lock:
            if self.stopped:
                raise KeyboardInterrupt
            self._enders.add(end)
        try:
            yield
        finally:
            with self._lock:
                self._enders.discard(end)

    def stop(self) -> None:
        """End all programs; no further one is started."""
        with self._lock:
            self.stopped = True
            enders = list(self._enders)
        for end in enders:
            end()


def require_running() -> None:
    """Check before a program is started.

    :raises KeyboardInterrupt: this thread's run was interrupted in the meantime.
    """
    crew: _Crew | None = getattr(_own, "crew", None)
    if crew and crew.stopped:
        raise KeyboardInterrupt


def running(end: Callable[[], None]) -> contextlib.AbstractContextManager[None]:
    """Tell that this thread runs a program while the block lasts.

    :param end: ends the program; it may be called from another thread.
    :raises KeyboardInterrupt: the run was interrupted in the meantime.
    """
    crew: _Crew | None = getattr(_own, "crew", None)
    return crew.running(end) if crew else contextlib.nullcontext()


def each(
    function: Callable[[Item], Result], items: Sequence[Item], jobs: int
) -> list[Result | Exception]:
    """Call a function for each item, some at a time.

    :param jobs: how many at a time.
    :returns: for each item its result, or the exception that the function raised.
    :raises KeyboardInterrupt: after all that was running has been ended and cleaned up.
    """
    crew = _Crew()
    with running(crew.stop), ThreadPoolExecutor(jobs, initializer=crew.join) as pool:
        futures: list[Future[Result]] = [pool.submit(function, item) for item in items]
        try:
            while wait(futures, 0.5).not_done:
                pass
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            crew.stop()
            raise
    outcomes: list[Result | Exception] = []
    for future in futures:
        error = future.exception()
        if error is not None and not isinstance(error, Exception):
            raise error
        outcomes.append(future.result() if error is None else error)
    return outcomes


@contextlib.contextmanager
def beside(function: Callable[[], object]) -> Iterator[None]:
    """Call a function in a thread while the block runs, and wait for it where that fails too.

    :raises KeyboardInterrupt: from the block, after what the function was running has been ended
        and cleaned up.
    :raises Exception: the block's, else the function's.
    """
    crew = _Crew()
    with running(crew.stop), ThreadPoolExecutor(1, initializer=crew.join) as pool:
        other = pool.submit(function)
        try:
            yield
            while wait([other], 0.5).not_done:
                pass
        except Exception:
            raise
        except BaseException:
            crew.stop()
            raise
    other.result()
