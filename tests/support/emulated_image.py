"""A small image of another architecture, and the native tools for it, in the local engine."""

from __future__ import annotations

import subprocess
import tarfile
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import docker

from builder.base_image import BaseSource
from builder.context import archive
from builder.engines.docker import DockerEngine
from builder.engines.protocol import BuildJob
from builder.native import tools
from builder.native.dockerfile import PRELOAD_LIST, with_native_tools
from builder.native.root import MOUNT, PRELOAD, NativeRoot, tarball
from core import debian_root
from core.config.model import Architecture, Bootstrap, Distro
from core.debian_root import RootArchive
from tests.support.registries import packed

TRIXIE = RootArchive("trixie")
#: Says which file is running as bash; not its last command, which bash would turn into.
WHICH = "readlink /proc/$$/exe; true"
#: Runs a script in a container whose programs would be emulated; its lines.
InEmulation = Callable[[str], list[str]]
PACKAGES = ("gcc", "libc6-dev", "python3-dev", "python3-venv")


def foreign() -> Architecture:
    """An architecture that isn't this machine's."""
    return next(one for one in Architecture if one is not debian_root.host_architecture())


def emulated_image(engine: DockerEngine, architecture: Architecture | None = None) -> str:
    """Debian with a compiler and Python, of an architecture that isn't this machine's."""
    architecture = architecture or foreign()
    root = debian_root.root_tarball(TRIXIE, architecture, PACKAGES)
    reference = f"kollarm-test/emulated:{root.parent.name}"
    if engine.image(reference) is None:
        with tempfile.TemporaryFile() as stream:
            with tarfile.open(fileobj=stream, mode="w") as tar, root.open("rb") as content:
                archive.add_bytes(tar, "Dockerfile", b"FROM scratch\nADD root.tar /\n")
                archive.add_stream(tar, "root.tar", content)
            stream.seek(0)
            engine.build(BuildJob(stream, reference, architecture))
    return reference


def native_image(engine: DockerEngine) -> str:
    """The native tools for it."""
    base = BaseSource(foreign(), "unused", "key", Bootstrap(suite=TRIXIE.suite))
    found = tools.ensure(base, engine, Distro.DEBIAN)
    assert found is not tools.NONE
    return found.name


def emulation(folder: Path, architecture: Architecture) -> InEmulation:
    """Containers with native programs, started without BuildKit.

    :param folder: an empty one for the native root.
    :param architecture: the containers'; the native programs are of the other one, so that all
        that is exchanged is seen on a machine of either.
    """
    host = next(one for one in Architecture if one is not architecture)
    with tarfile.open(tarball(NativeRoot(TRIXIE, host, architecture))) as tar:
        tar.extractall(folder)  # our own
    image = emulated_image(DockerEngine(), architecture)

    def in_container(script: str) -> list[str]:
        done = subprocess.run(
            ["docker", "run", "--rm", "--platform", architecture.platform,
             "-v", f"{folder}:{MOUNT}:ro", "-v", f"{folder / PRELOAD}:{PRELOAD_LIST}:ro",
             image, "sh", "-c", script],
            stdout=subprocess.PIPE, text=True, check=True,
        )  # fmt: skip
        return done.stdout.splitlines()

    return in_container


@contextmanager
def both_ways(steps: str, context: Mapping[str, bytes]) -> Iterator[tuple[str, str]]:
    """The same image built in emulation alone, and with native tools.

    :param steps: the Dockerfile after its FROM, of :func:`emulated_image`.
    """
    engine, name = DockerEngine(buildkit=True), f"kollarm-test/{uuid.uuid4().hex[:8]}"
    text = f"FROM {emulated_image(engine)}\n{steps}"
    ways = {"emulated": text, "native": with_native_tools(text, native_image(engine))}
    try:
        for tag, dockerfile in ways.items():
            content = packed(dockerfile, **context)
            job = BuildJob(content, f"{name}:{tag}", foreign(), use_cache=False, mounts={})
            engine.build(job)
        yield f"{name}:emulated", f"{name}:native"
    finally:
        for tag in ways:
            with suppress(docker.errors.ImageNotFound):
                docker.from_env().images.remove(f"{name}:{tag}", force=True)
