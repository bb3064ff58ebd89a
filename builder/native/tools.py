"""Whether an architecture's images are built with native tools, and the image that holds them."""

from __future__ import annotations

import re
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from builder.base_image import BaseSource, start
from builder.context import archive
from builder.engines.protocol import BuildJob, ImageBuilder
from builder.native.dockerfile import with_native_tools
from builder.native.root import NativeRoot, tarball, unpacked
from core import debian_root, progress
from core.config.model import Architecture, Distro
from core.debian_root import RootArchive
from core.errors import KollarmError

#: The archive of each distribution that has native tools; the rest is emulated.
MIRRORS = {Distro.DEBIAN: debian_root.DEFAULT_MIRROR}

#: What a builder that keeps no images calls the folder.
CONTEXT = "kollarm-native"

#: The file by which an image tells its release: os-release(5).
OS_RELEASE = "etc/os-release"


@dataclass(frozen=True)
class MountedTools:
    """The native tools as build steps mount them."""

    name: str
    """The image that holds them, or what a builder without images calls their folder."""
    folders: Mapping[str, Path] | None = field(default_factory=dict)
    """That folder by this name: :attr:`BuildJob.mounts`."""

    def mounted(self, text: str) -> str:
        """A Dockerfile whose RUN steps see the tools."""
        return with_native_tools(text, self.name) if self.name else text


NONE = MountedTools("", None)


def ensure(base: BaseSource, builder: ImageBuilder, distro: Distro | None) -> MountedTools:
    """The native tools for what is built from *base*, made if need be.

    Says why there are none, and the remedy, where that costs time.

    :param distro: the images' distribution; None wants no native tools.
    :returns: :data:`NONE` where programs run as they are.
    """
    architecture = base.architecture
    if distro is None:
        return NONE
    own = builder.machine(architecture)
    host = next((one for one in Architecture if one.oci == own), None)
    if host is None or host is architecture:
        return NONE
    reason = _obstacle(builder, distro, architecture)
    if reason is None:
        try:
            root = NativeRoot(archive_of(base, builder, distro), host, architecture)
            packed = partial(tarball, root, refresh=base.rebuild)
            if not builder.keeps_images:
                return MountedTools(CONTEXT, {CONTEXT: unpacked(root, packed())})
            return MountedTools(_image(root, builder, packed, refresh=base.rebuild))
        except KollarmError as error:
            remedies = (error.hint, _elsewhere(architecture))
            reason = "; ".join([error.message, *filter(None, remedies)])
    progress.current().say(
        f"{architecture} images are built in full emulation, which takes 10 to 30 times as long: "
        f"{reason}"
    )
    return NONE


def _obstacle(builder: ImageBuilder, distro: Distro, architecture: Architecture) -> str | None:
    """Why an emulating builder can't have native tools, and the remedy; None if it can."""
    if distro not in MIRRORS:
        supported = ", ".join(MIRRORS)
        return (
            f"there are no native tools for {distro}, only for {supported}; "
            f"{_elsewhere(architecture)}"
        )
    return builder.no_mounts()


def _elsewhere(architecture: Architecture) -> str:
    return f"an engine on {architecture} (build.engines.{architecture}.url) needs none"


def archive_of(base: BaseSource, builder: ImageBuilder, distro: Distro) -> RootArchive:
    """The archive that the base image was made from.

    :raises KollarmError: the image doesn't tell its release.
    """
    if base.archive is not None:
        return base.archive
    found = builder.read_files(
        start(base, builder), [OS_RELEASE, "usr/lib/os-release"], lambda _: True
    )
    for content in found.values():
        if suite := codename(content.decode("utf-8", "replace")):
            return RootArchive(suite, MIRRORS[distro])
    raise KollarmError(f"{base.reference} doesn't tell its release")


def codename(os_release: str) -> str | None:
    """The release that an image names, or None if that isn't a plain word.

    It becomes a word of a command, a part of a path and of apt's sources, so nothing but
    letters is accepted.
    """
    found = re.search(r"^VERSION_CODENAME=(\"?)([a-z]+)\1$", os_release, re.MULTILINE)
    return found[2] if found else None


def _image(
    root: NativeRoot, builder: ImageBuilder, packed: Callable[[], Path], *, refresh: bool
) -> str:
    reference = f"kollarm/native:{root.archive.suite}-{root.host}-{root.target}-{root.key}"
    if not refresh and builder.image(reference) is not None:
        return reference
    with (
        progress.current().step(f"native tools for {root.target}") as step,
        tempfile.TemporaryFile() as stream,
        packed().open("rb") as content,
    ):
        step.note("importing")
        with tarfile.open(fileobj=stream, mode="w") as tar:
            archive.add_bytes(tar, "Dockerfile", b"FROM scratch\nADD root.tar /\n")
            archive.add_stream(tar, "root.tar", content)
        stream.seek(0)
        # as an image of the architecture that it serves: BuildKit looks for that one
        builder.build(BuildJob(stream, reference, root.target))
    return reference
