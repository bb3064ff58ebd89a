"""A container engine, through the docker SDK's low-level client.

Engine API: https://docs.docker.com/reference/api/engine/version/v1.41/ (what
engine 20.10 speaks).
"""

from __future__ import annotations

import contextlib
import io
import re
import tarfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal

import docker
import docker.errors
import requests
import urllib3.exceptions

from builder.engines import buildkit
from builder.engines.connection import EngineClient, connect, reason_of, takes_plain_http
from builder.engines.protocol import (
    TAIL,
    BuildFailed,
    BuildJob,
    Cancellation,
    Cancelled,
    EngineError,
    EngineInfo,
    required,
)
from builder.facts import EngineImage
from core.config.model import Architecture
from core.oci import auth
from core.oci.model import LABEL
from core.oci.reference import parse
from core.oci.transport import is_loopback

#: Seconds to wait for an answer that is not a stream.
TIMEOUT = 60
#: Seconds between two lines of a build: an emulated step may be silent for long.
STREAM_TIMEOUT = 3600
#: Docker's words and Podman's.
_STEP = re.compile(r"^(?:Step (\d+/\d+) : |STEP (\d+/\d+): )(.*)")
#: How engines tell what they have pushed where they don't tell it apart.
_PUSHED = re.compile(r"digest: (sha256:[0-9a-f]{64})")
_OWN_WORDS = re.compile(r" ---> |--> |Removing intermediate container |COMMIT ")
_COLOUR = re.compile(r"\x1b\[[\d;]*m")


class DockerEngine:
    """One engine; every stream has a connection of its own.

    :param url: its address, and
    :param tls: the folder of its certificates, as for :func:`connect`.
    :param buildkit: build with BuildKit, where that can be done; without it, the
        engine's classic builder does all that has no mounts.
    :param insecure: the address of a registry that speaks plain HTTP, besides those on loopback;
        Podman is told, Docker knows by its own configuration.
    """

    keeps_images = True

    def __init__(
        self,
        url: str = "local",
        *,
        tls: Path | None = None,
        buildkit: bool = False,
        insecure: str | None = None,
    ):
        self.url = url
        self._insecure = insecure
        self.tls = tls
        self._buildkit = buildkit
        self._api = connect(url, tls, TIMEOUT)

    def info(self) -> EngineInfo:
        version = self._api.version()
        return EngineInfo(
            version["Version"],
            version["Arch"],
            self._api.info().get("DockerRootDir", ""),
            podman=self._api.podman,
        )

    def machine(self, architecture: Architecture) -> str:
        return self.info().architecture

    def pushes_to(self, address: str) -> bool:
        """Whether the engine pushes to a registry that speaks plain HTTP."""
        return (
            self._api.podman or is_loopback(address) or takes_plain_http(self._api.info(), address)
        )

    def no_mounts(self) -> str | None:
        if self._api.podman:
            return "Podman has no BuildKit; use a Docker Engine (build.engines)"
        return None if self._client else buildkit.NO_CLIENT

    @cached_property
    def _client(self) -> str | None:
        """The program that builds with the engine's BuildKit, which docker's SDK can't."""
        return None if self._api.podman else buildkit.client_program()

    def image(self, reference: str) -> EngineImage | None:
        try:
            found = self._api.inspect_image(reference)  # type: ignore[no-untyped-call]
        except docker.errors.ImageNotFound:
            return None
        labels = (found.get("Config") or {}).get("Labels") or {}
        return EngineImage(found["Id"], found["Architecture"], labels.get(LABEL))

    def images_by_key(self) -> dict[tuple[str, str], str]:
        # Untagged images don't count: what a killed build leaves carries its parent's label.
        found: dict[tuple[str, str], str] = {}
        for image in self._api.images(filters={"label": LABEL}):
            for tag in image.get("RepoTags") or ():
                name = tag.rsplit(":", 1)[0].rsplit("/", 1)[-1]
                found[name, image["Labels"][LABEL]] = image["Id"]
        return found

    def tag(self, image: str, reference: str) -> None:
        repository, tag = reference.rsplit(":", 1)
        self._api.tag(image, repository, tag)

    def ensure_present(
        self,
        reference: str,
        architecture: Architecture,
        key: str,
        *,
        digest: str,
        note: Callable[[str], None] = lambda text: None,
        control: Cancellation | None = None,
    ) -> str:
        named = f"{reference.rsplit(':', 1)[0]}@{digest}"
        found = self.image(named)
        if found is None:
            note(f"pulling {reference.rsplit(':', 1)[0].rsplit('/', 1)[-1]}")
            found = self.pull(named, architecture, control=control)
        if (found.key, found.architecture) != (key, architecture.oci):
            raise EngineError(f"{named} is another image than {reference} has to be")
        return named

    def require(self, reference: str, architecture: Architecture) -> EngineImage:
        """The image under a tag, as :func:`required`."""
        return required(self.image(reference), reference, architecture, "engine")

    def build(self, job: BuildJob) -> EngineImage:
        if (self._buildkit or job.mounts is not None) and self._client:
            command = [self._client, "build", "--tag", job.reference]
            name = f"BuildKit of the engine {self.url}"
            buildkit.build(command, job, partial(buildkit.unusable, name), env={
                **self._api.environ, "BUILDX_BUILDER": "default",
            })  # fmt: skip
        else:
            self._build_classic(job)
            if self._api.podman and job.use_cache:
                found = self.image(job.reference)
                if found is not None and found.architecture != job.architecture.oci:
                    # its layer cache doesn't tell architectures apart
                    job.context.seek(0)
                    self._build_classic(replace(job, use_cache=False))
        return self.require(job.reference, job.architecture)

    def _build_classic(self, job: BuildJob) -> None:
        step = "0 : FROM"
        lines: deque[str] = deque(maxlen=TAIL)
        with (
            self._stream(job.control) as api,
            job.writer() as write,
        ):
            try:
                with auth.readable("the engine's builds"):
                    events = api.build(
                        fileobj=job.context,
                        custom_context=True,
                        tag=job.reference,
                        platform=job.architecture.platform,
                        network_mode="host",
                        buildargs=dict(job.build_args),
                        nocache=not job.use_cache,
                        rm=True,
                        forcerm=True,
                        pull=False,
                        decode=True,
                    )
                for event in self._events(events, job.control):
                    text = event.get("stream") or event.get("status") or event.get("error") or ""
                    for line in str(text).splitlines():
                        write(line)
                        if match := _STEP.match(line):
                            place = match[1] or match[2]
                            step = f"{place} : {match[3]}"
                            job.note(f"step {place} {match[3]}"[:100])
                            lines.clear()
                        elif "error" not in event and (output := _output(line)):
                            lines.append(output)
                    if "error" in event:
                        reason = str(event["error"])
                        raise BuildFailed(job.reference, step, reason, list(lines), job.log)
            except docker.errors.APIError as error:
                reason = reason_of(error)
                raise BuildFailed(job.reference, step, reason, list(lines), job.log) from error

    def publish(
        self,
        image: EngineImage,
        reference: str,
        architecture: Architecture,
        *,
        control: Cancellation | None = None,
    ) -> str:
        if self.require(reference, architecture).id != image.id:
            raise EngineError(f"another build tagged {reference} on {self.url} meanwhile")
        return self.push(reference, control=control)

    def push(self, reference: str, *, control: Cancellation | None = None) -> str:
        """Push a tag; returns its manifest's digest.

        :raises EngineError: the registry refuses or can't be reached.
        """
        digest = ""
        hint = "is the registry running, and are you logged in (docker login)?"
        for event in self._transferred("push", reference, control, hint):
            said = _PUSHED.search(str(event.get("status") or ""))
            digest = (event.get("aux") or {}).get("Digest") or (said[1] if said else digest)
        return digest

    def pull(
        self, reference: str, architecture: Architecture, *, control: Cancellation | None = None
    ) -> EngineImage:
        if "@" in reference and self.image(reference) is not None:
            # An engine refuses to pull another architecture's image under the same digest.
            with contextlib.suppress(docker.errors.APIError):
                self._api.remove_image(reference, noprune=True)
        for _ in self._transferred("pull", reference, control, platform=architecture.platform):
            pass
        return self.require(reference, architecture)

    def _transferred(
        self,
        method: Literal["push", "pull"],
        reference: str,
        control: Cancellation | None,
        hint: str | None = None,
        **options: object,
    ) -> Iterator[dict[str, Any]]:
        """The events of a push or pull of a tag, or of a digest."""
        repository, tag = reference.rsplit("@" if "@" in reference else ":", 1)
        control = control or Cancellation()
        # engines from 28.3.3 on refuse a push without any X-Registry-Auth header
        address = parse(reference).address
        options["auth_config"] = auth.login(address)
        with self._stream(control) as api:
            api.plain = address == self._insecure or is_loopback(address)
            try:
                call = getattr(api, method)
                events = call(repository, tag=tag, stream=True, decode=True, **options)
                for event in self._events(events, control):
                    if "error" in event:
                        message = f"{reference} can't be {method}ed: {event['error']}"
                        raise EngineError(message, hint=hint)
                    yield event
            except docker.errors.APIError as error:
                message = f"{reference} can't be {method}ed: {reason_of(error)}"
                raise EngineError(message) from error

    def read_files(
        self, image: str, paths: Iterable[str], wanted: Callable[[str], bool]
    ) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        try:
            with self._container(image, command=["true"]) as (api, container):
                for path in paths:
                    with contextlib.suppress(docker.errors.NotFound):
                        chunks, _ = api.get_archive(container, f"/{path}")
                        stream = io.BufferedReader(_Chunks(chunks))
                        with tarfile.open(fileobj=stream, mode="r|") as tar:
                            for member in tar:
                                name = f"{path.rpartition('/')[0]}/{member.name}".lstrip("/")
                                if member.isreg() and wanted(name):
                                    found[name] = tar.extractfile(member).read()  # type: ignore[union-attr]
        except (docker.errors.APIError, requests.RequestException, tarfile.TarError) as error:
            raise EngineError(f"{image} can't be read: {reason_of(error)}") from error
        return found

    def run_program(self, image: str, argv: Sequence[str]) -> bytes | None:
        settings = {
            "entrypoint": list(argv),
            "command": [],
            "user": "0",
            "network_disabled": True,
            "healthcheck": {"test": ["NONE"]},
        }
        try:
            with self._container(image, **settings) as (api, container):
                api.start(container)
                status = api.wait(container)["StatusCode"]
                stdout: bytes = api.logs(container, stdout=True, stderr=False)
                if status != 0:
                    stderr = api.logs(container, stdout=False, stderr=True)[-500:]
                    raise EngineError(
                        f"{argv[0]} fails in {image} (status {status})",
                        details=stderr.decode("utf-8", "replace"),
                    )
                return stdout
        except (docker.errors.APIError, requests.RequestException) as error:
            if re.search("executable file not found|no such file or directory", str(error)):
                return None
            raise EngineError(f"{argv[0]} can't run in {image}: {reason_of(error)}") from error

    @contextlib.contextmanager
    def _stream(self, control: Cancellation) -> Iterator[EngineClient]:
        """A connection of its own, whose stream *control* can close."""
        api = connect(self.url, self.tls, STREAM_TIMEOUT)
        api.hooks["response"].append(control.attach)
        try:
            yield api
        finally:
            api.close()

    @contextlib.contextmanager
    def _container(self, image: str, **settings: Any) -> Iterator[tuple[docker.APIClient, str]]:
        """A container that is removed again, and the connection to its engine."""
        with self._stream(Cancellation()) as api:
            container = api.create_container(image, **settings)["Id"]
            try:
                yield api, container
            finally:
                api.remove_container(container, force=True)

    def _events(
        self, stream: Iterator[dict[str, Any]], control: Cancellation
    ) -> Iterator[dict[str, Any]]:
        try:
            yield from stream
        except (requests.RequestException, urllib3.exceptions.HTTPError, ValueError) as error:
            if control.stopped.is_set():
                raise Cancelled from error
            raise EngineError(
                f"the connection to the container engine ({self.url}) broke: {reason_of(error)}",
                hint="run the same command again: images built before are kept",
            ) from error
        if control.stopped.is_set():
            raise Cancelled


def _output(line: str) -> str:
    """A line that a step itself printed, without colours; empty for one of the engine's own."""
    output = _COLOUR.sub("", line).rstrip()
    return "" if _OWN_WORDS.match(output) else output


class _Chunks(io.RawIOBase):
    """An iterator of bytes as a stream."""

    def __init__(self, chunks: Iterator[bytes]):
        self._chunks = chunks
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            try:
                self._rest = next(self._chunks)
            except StopIteration:
                return 0
        piece, self._rest = self._rest[: len(buffer)], self._rest[len(buffer) :]
        buffer[: len(piece)] = piece
        return len(piece)
