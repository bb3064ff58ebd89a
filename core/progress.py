"""Progress on standard error: nested steps.

On a terminal a live line shows the running steps and their times; elsewhere (a pipe, CI)
each step prints a line when it starts and one when it ends, and in between one from time
to time.  Standard output is for results alone.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, cast

from rich.console import Console
from rich.status import Status
from rich.text import Text

from core.standard_streams import StandardError
from core.text_output import one_line, printable

log = logging.getLogger(__name__)

#: Seconds without output after which a line shows the running steps, without a terminal.
HEARTBEAT = 30.0


class RunningStep:
    """A running step."""

    def __init__(self, name: str, depth: int):
        self.name = name
        self.depth = depth
        self.thread = threading.current_thread()
        self.started = time.monotonic()
        self.text = ""
        self.failed = False

    def fail(self) -> None:
        """Show the step as failed although its block raises nothing."""
        self.failed = True

    def note(self, text: str) -> None:
        """Show what the step is doing, in one short line."""
        self.text = text
        log.debug("%s: %s", self.name, text)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started


class Progress:
    """Steps and messages on standard error."""

    def __init__(self, console: Console | None = None, *, quiet: bool = False):
        self.console = console or Console(
            file=cast(IO[str], StandardError()), highlight=False, soft_wrap=True
        )
        self.quiet = quiet
        self._lock = threading.RLock()
        self._steps: list[RunningStep] = []
        self._status: Status | None = None
        self._stop = threading.Event()
        self._ticker: threading.Thread | None = None
        self._last_output = time.monotonic()
        #: The names of the steps in which the last failure occurred, from the outermost.
        self.broken: tuple[str, ...] = ()

    def say(self, text: str) -> None:
        """Print a line."""
        log.info(text)
        with self._lock:
            self._print(text)

    def warn(self, text: str) -> None:
        """Print a warning, also when quiet."""
        log.warning(text)
        with self._lock:
            self.show(f"warning: {one_line(text)}", style="yellow")

    @contextmanager
    def step(self, name: str) -> Iterator[RunningStep]:
        """Show a step while the block runs, then how long it took."""
        with self._lock:
            step = RunningStep(self._label(name), self._depth())
            self._steps.append(step)
            self.broken = ()
            log.info("start: %s", name)
            if not self.console.is_terminal:
                self._print(f"{'  ' * step.depth}{one_line(step.name)} …")
            self._start_ticker()
        failed = True
        try:
            yield step
            failed = step.failed
        finally:
            with self._lock:
                if failed and not self.broken:
                    self.broken = tuple(each.name for each in self._around(step))
                self._steps.remove(step)
                if not self._steps:
                    self._stop_ticker()
                mark = "✗" if failed else "✓"
                note = f": {step.text}" if step.text and not failed else ""
                log.info("end: %s, %.1f s%s", name, step.seconds, ", failed" if failed else "")
                line = one_line(f"{mark} {step.name}{note} ({duration(step.seconds)})")
                self._print(f"{'  ' * step.depth}{line}")

    def _around(self, step: RunningStep) -> list[RunningStep]:
        """The steps that contain a step, from the outermost, and itself."""
        shallower = [each for each in self._steps if each.depth < step.depth]
        chain = {
            each.depth: each
            for each in shallower
            if each.thread in (step.thread, threading.main_thread())
        }
        return [*(chain[depth] for depth in sorted(chain)), step]

    def _label(self, name: str) -> str:
        """A step's name; beside parallel work it says which work it is a part of."""
        thread = threading.current_thread()
        outer = [step.name for step in self._steps if step.thread is thread]
        if not outer or thread is threading.main_thread():
            return name
        return f"{outer[0]}: {name}"

    def _depth(self) -> int:
        """The depth of a step that starts now.

        It is within the last step of its thread, and the first step of another thread is
        within those of the main thread: parallel steps are equally deep.
        """
        own = [step for step in self._steps if step.thread is threading.current_thread()]
        if own:
            return own[-1].depth + 1
        return sum(step.thread is threading.main_thread() for step in self._steps)

    def show(self, text: str, style: str = "") -> None:
        """Print a text as it is, also when quiet; it isn't logged."""
        self.console.print(Text(printable(text), style=style))

    def _print(self, text: str) -> None:
        if not self.quiet:
            self.show(text)
            self._last_output = time.monotonic()

    def _start_ticker(self) -> None:
        if self._ticker is not None or self.quiet:
            return
        if self.console.is_terminal:
            self._status = self.console.status("")
            self._status.start()
        self._stop = threading.Event()
        self._ticker = threading.Thread(target=self._tick, args=(self._stop,), daemon=True)
        self._ticker.start()

    def _stop_ticker(self) -> None:
        self._stop.set()
        self._ticker = None
        if self._status is not None:
            self._status.stop()
            self._status = None

    def _tick(self, stop: threading.Event) -> None:
        while not stop.wait(0.5):
            with self._lock:
                if not self._steps or stop.is_set():
                    return
                if self._status is not None:
                    self._status.update(self.live_line())
                elif time.monotonic() - self._last_output > HEARTBEAT:
                    self._print(f"  … {self.live_line()}")

    def live_line(self) -> Text:
        """The running steps with their notes and times."""
        lines = []
        for step in self._steps:
            note = f": {step.text}" if step.text else ""
            lines.append(one_line(f"{step.name}{note} ({duration(step.seconds)})"))
        return Text(" › ".join(lines))


def duration(seconds: float) -> str:
    """Seconds as a person reads them: ``0.4 s``, ``12 s``, ``3 min 05 s``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s"


def size(count: float) -> str:
    """Bytes as a person reads them: ``512 B``, ``3.4 MiB``."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024 or unit == "GiB":
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    raise AssertionError("unreachable")


#: The progress of this process; commands replace it (``--quiet``).
_current = Progress()


def current() -> Progress:
    """The progress that libraries report to."""
    return _current


def use(progress: Progress) -> None:
    """Make *progress* the one that libraries report to."""
    global _current  # noqa: PLW0603 - one terminal, one progress
    _current = progress
