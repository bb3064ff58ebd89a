"""Debian's own kernels, from its archive."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from core import debian_root
from core.config.model import AptArchive
from guestprep.archive.client import ArchiveClient
from testbed.guest_image.layouts import SUITE


@dataclass(frozen=True)
class DebianKernel:
    """A kernel's packages."""

    version: str
    packages: dict[str, Path]
    """The .deb files by their packages' names, that of the kernel itself last."""


def newest(meta: str) -> DebianKernel:
    """The kernel that a meta package depends on."""
    source = AptArchive(
        uri=debian_root.DEFAULT_MIRROR, suite=SUITE, keyring=Path(debian_root.KEYRING)
    )
    client = ArchiveClient([source], "arm64")
    first = client.candidates(meta)[0]
    image = client.candidates(first.relations["Depends"][0][0].name)[0]
    packages = {package.name: client.fetch(package) for package in (first, image)}
    return DebianKernel(image.name.removeprefix("linux-image-"), packages)
