"""A small image of another architecture, and the native tools for it, in the local engine."""

from __future__ import annotations

import tarfile
import tempfile

from builder.base_image import BaseSource
from builder.context import archive
from builder.engines.docker import DockerEngine
from builder.engines.protocol import BuildJob
from builder.native import tools
from core import debian_root
from core.config.model import Architecture, Bootstrap, Distro
from core.debian_root import RootArchive

TRIXIE = RootArchive("trixie")
#: Says which file is running as bash; not its last command, which bash would turn into.
WHICH = "readlink /proc/$$/exe; true"
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
