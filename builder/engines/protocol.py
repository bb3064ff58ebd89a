"""What builds images, a container engine or a buildx builder, and how it fails."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol

from builder.facts import EngineImage
from core.config.model import Architecture
from core.errors import KollarmError

if TYPE_CHECKING:
    import requests


#: Lines of output that an error carries.
TAIL = 15


class EngineError(KollarmError):
    """The engine can't be reached, or refuses what is asked."""


#: Characters of a step that an error's message carries: some are a page long.
SHOWN = 160

#: How an engine, and how BuildKit, says that a command failed: it is the step's own once more.
_STATUS = re.compile(
    r"(?:returned a non-zero code|did not complete successfully: exit code): (\d+)"
)


def _in_short(reason: str) -> str:
    found = _STATUS.search(reason)
    return f"exit status {found[1]}" if found else reason


class Cancelled(Exception):
    """A stream was closed on purpose, by :meth:`Cancellation.stop`."""


class Cancellation:
    """Ends a running build or push from another thread.

    An engine gives a build up, and removes its running container, when the
    connection closes; a buildx builder when its client ends.
    """

    def __init__(self) -> None:
        self.stopped = threading.Event()
        self._end: Callable[[], None] | None = None

    def attach(self, response: requests.Response, **_: object) -> None:
        """Take note of the answer whose stream is read (a hook of requests)."""
        self.ends_with(response.raw.shutdown)

    def ends_with(self, end: Callable[[], None]) -> None:
        """Take note of what ends it."""
        self._end = end
        if self.stopped.is_set():
            self.stop()

    def stop(self) -> None:
        """End it; whoever reads its stream sees the end."""
        self.stopped.set()
        if self._end is not None:
            # closed already, or not yet begun: then there is nothing to end
            with contextlib.suppress(OSError, ValueError, RuntimeError):
                self._end()


class BuildFailed(KollarmError):
    """A step of an image's build failed.

    :ivar step: the step, as the engine names it (``5/23 : RUN …``).
    :ivar lines: the last lines that it printed.
    """

    def __init__(self, reference: str, step: str, reason: str, lines: list[str], log: Path | None):
        self.step = step
        self.lines = lines
        hint = f"the whole log: {log}" if log else None
        if any("exec format error" in line.lower() for line in (*lines, reason)):
            hint = (
                "this machine can't run programs of that architecture: "
                "install qemu-user-static and binfmt-support (kollarm doctor)"
            )
        shown = step if len(step) <= SHOWN else f"{step[:SHOWN].rstrip()} …"
        super().__init__(
            f"{reference} can't be built: step {shown}: {_in_short(reason)}",
            hint=hint,
            details="\n".join(lines) or None,
        )


@dataclass(frozen=True)
class EngineInfo:
    """What the engine says of itself."""

    version: str
    architecture: str
    """Its own, by Go's name for it."""
    folder: str
    """Where it keeps images, on its own machine."""


class ImageBuilder(Protocol):
    """One place that builds images; `DockerEngine` says what each call means.

    :ivar url: how the configuration names it.
    :ivar keeps_images: they lie in it, as what they start from has to; otherwise they are
        in the registry alone.
    """

    url: str
    keeps_images: bool

    def image(self, reference: str) -> EngineImage | None: ...

    def images_by_key(self) -> dict[tuple[str, str], str]: ...

    def ensure_present(
        self,
        reference: str,
        architecture: Architecture,
        key: str,
        *,
        note: Callable[[str], None] = ...,
        control: Cancellation | None = None,
    ) -> str: ...

    def pull(
        self, reference: str, architecture: Architecture, *, control: Cancellation | None = None
    ) -> EngineImage: ...

    def build(
        self,
        context: IO[bytes],
        reference: str,
        architecture: Architecture,
        *,
        build_args: Mapping[str, str] | None = None,
        use_cache: bool = True,
        log: Path | None = None,
        note: Callable[[str], None] = ...,
        control: Cancellation | None = None,
    ) -> EngineImage: ...

    def tag(self, image: str, reference: str) -> None: ...

    def publish(
        self,
        image: EngineImage,
        reference: str,
        architecture: Architecture,
        *,
        control: Cancellation | None = None,
    ) -> None: ...

    def read_files(
        self, image: str, paths: Iterable[str], wanted: Callable[[str], bool]
    ) -> dict[str, bytes]: ...

    def run_program(self, image: str, argv: Sequence[str]) -> bytes | None: ...
