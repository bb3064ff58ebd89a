"""A small image of another architecture, and the native tools for it, in the local engine."""

from __future__ import annotations

import subprocess
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

from builder.base_image import BaseSource
from builder.context import archive
from builder.engines.docker import DockerEngine
from builder.engines.protocol import BuildJob
from builder.native import tools
from builder.native.dockerfile import PRELOAD_LIST
from builder.native.root import MOUNT, PRELOAD, NativeRoot, tarball
from core import debian_root
from core.config.model import Architecture, Bootstrap, Distro
from core.debian_root import RootArchive

TRIXIE = RootArchive("trixie")
#: Says which file is running as bash; not its last command, which bash would turn into.
WHICH = "readlink /proc/$$/exe; true"
#: Runs a script in a container whose programs would be emulated; its lines.
InEmulation = Callable[[str], list[str]]
PACKAGES = ("gcc", "libc6-dev", "python3-dev", "python3-venv")


def foreign() -> Architecture:
    """An architecture that isn't this machine's."""
    return next(one for one in Architecture if one is not debian_root.host_architecture())


def emulated_image(engine: DockerEngine) -> str:
    """Debian with a compiler and Python."""
    root = debian_root.root_tarball(TRIXIE, foreign(), PACKAGES)
    reference = f"kollarm-test/emulated:{root.parent.name}"
    if engine.image(reference) is None:
        with tempfile.TemporaryFile() as stream:
            with tarfile.open(fileobj=stream, mode="w") as tar, root.open("rb") as content:
                archive.add_bytes(tar, "Dockerfile", b"FROM scratch\nADD root.tar /\n")
                archive.add_stream(tar, "root.tar", content)
            stream.seek(0)
            engine.build(BuildJob(stream, reference, foreign()))
    return reference


def native_image(engine: DockerEngine) -> str:
    """The native tools for it."""
    base = BaseSource(foreign(), "unused", "key", Bootstrap(suite=TRIXIE.suite))
    found = tools.ensure(base, engine, Distro.DEBIAN)
    assert found is not tools.NONE
    return found.name


def emulation(folder: Path) -> InEmulation:
    """Containers with native programs, started without BuildKit.

    :param folder: an empty one for the native root.
    """
    host = debian_root.host_architecture()
    assert host is not None
    with tarfile.open(tarball(NativeRoot(TRIXIE, host, foreign()))) as tar:
        tar.extractall(folder)  # our own
    image = emulated_image(DockerEngine())

    def in_container(script: str) -> list[str]:
        done = subprocess.run(
            ["docker", "run", "--rm", "--platform", foreign().platform,
             "-v", f"{folder}:{MOUNT}:ro", "-v", f"{folder / PRELOAD}:{PRELOAD_LIST}:ro",
             image, "sh", "-c", script],
            stdout=subprocess.PIPE, text=True, check=True,
        )  # fmt: skip
        return done.stdout.splitlines()

    return in_container
