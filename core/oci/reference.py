"""Names of images, as Docker reads them.

https://github.com/distribution/reference/blob/main/normalize.go
"""

from __future__ import annotations

from dataclasses import dataclass

#: The registry of names without one.
DOCKER_HUB = "docker.io"


@dataclass(frozen=True)
class ImageReference:
    """An image's whole name."""

    address: str
    """The registry, by Docker's name for it."""
    repository: str
    """The name within the registry."""
    which: str
    """A tag or a digest."""


def parse(text: str) -> ImageReference:
    """Take a name apart: ``debian:sid`` is ``library/debian`` of Docker Hub, under ``sid``."""
    name, mark, digest = text.partition("@")
    path, colon, tag = name.rpartition(":")
    if not colon or "/" in tag:
        path, tag = name, "latest"
    address, slash, rest = path.partition("/")
    if not slash or not (set(".:") & set(address) or address == "localhost"):
        address, rest = DOCKER_HUB, path
    if address == DOCKER_HUB and "/" not in rest:
        rest = f"library/{rest}"
    return ImageReference(address, rest, digest if mark else tag)


def host_of(address: str) -> str:
    """The host of a ``host:port`` or ``host``; an IPv6 address without its brackets."""
    return address.rsplit(":", 1)[0].strip("[]") if ":" in address else address
