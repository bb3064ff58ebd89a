"""The protocol that container engines and buildx builders implement, and their errors."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol

from builder.facts import EngineImage
from core.addresses import redacted
from core.config.model import Architecture
from core.errors import KollarmError
from core.logs import LogFile

if TYPE_CHECKING:
    import requests


#: Lines of output that an error carries.
TAIL = 15


class EngineError(KollarmError):
    """The engine can't be reached, or refuses a request."""


class NodeLost(EngineError):
    """A builder's node went away while it built; another one may take the image over."""


#: How often an image is given to another node of a builder.
TAKEOVERS = 3

#: Characters of a step that an error's message carries: some are a page long.
STEP_LIMIT = 160

#: An engine's, and BuildKit's, message that a command failed, which repeats the step.
_STATUS = re.compile(
    r"(?:returned a non-zero code|did not complete successfully: exit code"
    r"|executor failed running .*: exit code): (\d+)"
)


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
        """Close this response's stream when stopped (a hook of requests)."""
        self.on_stop(response.raw.shutdown)

    def on_stop(self, end: Callable[[], None]) -> None:
        """Call this when stopped, at once if that was before."""
        self._end = end
        if self.stopped.is_set():
            self.stop()

    def stop(self) -> None:
        """End the build or push; the thread that reads its stream sees the end."""
        self.stopped.set()
        if self._end is not None:
            # closed already, or not yet begun: then there is nothing to end
            with contextlib.suppress(OSError, ValueError, RuntimeError):
                self._end()


class BuildFailed(KollarmError):
    """A step of an image's build failed.

    :ivar step: the step, as the engine names it (``5/23 : RUN …``).
    :ivar lines: the last lines that it printed.
    :ivar log: the file with all of them.
    """

    def __init__(self, reference: str, step: str, reason: str, lines: list[str], log: Path | None):
        self.step = redacted(step)
        self.lines = [redacted(line) for line in lines]
        self.log = log
        hint = None
        if any("exec format error" in line.lower() for line in (*lines, reason)):
            hint = (
                "this machine can't run programs of that architecture: "
                "install qemu-user-static and binfmt-support (kollarm doctor)"
            )
        short = step if len(step) <= STEP_LIMIT else f"{step[:STEP_LIMIT].rstrip()} …"
        found = _STATUS.search(reason)
        super().__init__(
            f"{reference} can't be built: step {short}: "
            f"{f'exit status {found[1]}' if found else reason}",
            hint=hint,
            details="\n".join(lines) or None,
        )


@dataclass(frozen=True)
class EngineInfo:
    """An engine's own description of itself."""

    version: str
    architecture: str
    """Its own, by Go's name for it."""
    folder: str
    """Where it keeps images, on its own machine."""
    podman: bool = False
    """It is Podman."""


@dataclass(frozen=True)
class BuildJob:
    """One image to build."""

    context: IO[bytes]
    """The build context: a tar, as a real file."""
    reference: str
    """The name that the image gets."""
    architecture: Architecture
    build_args: Mapping[str, str] = field(default_factory=dict)
    use_cache: bool = True
    mounts: Mapping[str, Path] | None = None
    """Its RUN steps have mounts (:meth:`ImageBuilder.no_mounts`), of images or of these folders."""
    log: Path | None = None
    """Gets all output of the build."""
    note: Callable[[str], None] = lambda text: None
    """Called with each step as it starts."""
    control: Cancellation = field(default_factory=Cancellation)

    @contextlib.contextmanager
    def writer(self) -> Iterator[Callable[[str], None]]:
        """What writes a line of output into the log, without passwords."""
        if self.log is None:
            yield lambda line: None
            return
        with LogFile(self.log) as sink:
            yield lambda line: print(line, file=sink, flush=True)


def tried_again(
    build: Callable[[], EngineImage],
    retries: int,
    note: Callable[[str], None],
    control: Cancellation,
) -> EngineImage:
    """What a build gives, which is tried again when a step of it fails or its node is lost.

    :param retries: how often after a step that failed.
    :param note: called before it is tried again.
    :raises BuildFailed: the last one failed too, or the build was stopped.
    :raises NodeLost: so were the nodes that took it over.
    """
    left = {BuildFailed: retries, NodeLost: TAKEOVERS}
    while True:
        try:
            return build()
        except (BuildFailed, NodeLost) as error:
            kind = type(error)
            if control.stopped.is_set() or not left[kind]:
                raise
            left[kind] -= 1
            note(f"{error.message}; trying again")


def required(
    image: EngineImage | None, reference: str, architecture: Architecture, place: str
) -> EngineImage:
    """An image that was just made or pulled.

    :param place: where it has to be (``engine`` or ``registry``).
    :raises EngineError: it isn't there, or is for another architecture.
    """
    if image is None:
        raise EngineError(f"{reference} isn't in the {place} although it was just put there")
    if image.architecture != architecture.oci:
        raise EngineError(
            f"{reference} is an image for {image.architecture}, not {architecture.oci}",
            hint=f"its parent in the {place} is of another architecture: "
            "remove that and build again",
        )
    return image


class ImageBuilder(Protocol):
    """One place that builds images."""

    url: str
    """How the configuration names it."""
    keeps_images: bool
    """They lie in it, as their parents have to; otherwise they are in the registry alone."""

    def no_mounts(self) -> str | None:
        """Why RUN steps can't have mounts here, and the remedy; None if they can."""

    def info(self) -> EngineInfo:
        """What it says about itself."""

    def machine(self, architecture: Architecture) -> str:
        """The architecture, by Go's name, of the machine that builds images of another one.

        :raises EngineError: it can't be asked.
        """

    def image(self, reference: str) -> EngineImage | None:
        """The image under a reference; None when there is none."""

    def images_by_key(self) -> dict[tuple[str, str], str]:
        """Every tagged image that kollarm built and that lies in it: (image name, key) → image id.

        Found by their label and not by their tag, so that a build for another
        registry or tag is used again.
        """

    def ensure_present(
        self,
        reference: str,
        architecture: Architecture,
        key: str,
        *,
        digest: str,
        note: Callable[[str], None] = ...,
        control: Cancellation | None = None,
    ) -> str:
        """See that the image with a key can be built upon.

        :param digest: by which the registry has it; whatever is under the tag by now, this is it.
        :param note: called before something is pulled.
        :returns: the reference to build upon.
        :raises EngineError: the image can't be had, or there is another one.
        """

    def pull(
        self, reference: str, architecture: Architecture, *, control: Cancellation | None = None
    ) -> EngineImage:
        """See that an image from anywhere can be built upon.

        :raises EngineError: it doesn't exist, can't be pulled, or is for another architecture.
        """

    def build(self, job: BuildJob) -> EngineImage:
        """Build an image.

        :raises BuildFailed: a step failed.
        :raises EngineError: the result is of another architecture.
        :raises Cancelled: the job's control stopped it.
        """

    def tag(self, image: str, reference: str) -> None:
        """Give an image (by id) a further tag."""

    def publish(
        self,
        image: EngineImage,
        reference: str,
        architecture: Architecture,
        *,
        control: Cancellation | None = None,
    ) -> str:
        """See that an image is in the registry under its tag.

        :returns: the digest of what was pushed; empty where the engine doesn't tell.
        :raises EngineError: the tag is another image's by now or of another architecture, or
            the registry refuses.
        """

    def read_files(
        self, image: str, paths: Iterable[str], wanted: Callable[[str], bool]
    ) -> dict[str, bytes]:
        """Files of an image by their paths (without a leading slash); nothing in it is run.

        :param paths: files or folders to look at; missing ones are passed over.
        :param wanted: which of their files are returned.
        :raises EngineError: the image can't be read.
        """

    def run_program(self, image: str, argv: Sequence[str]) -> bytes | None:
        """The output of an image's own program, run as root and without a network.

        :returns: None where the image has no such program.
        :raises EngineError: the engine refuses, or the program fails.
        """
