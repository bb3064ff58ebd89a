"""The check before hosts pull images: the registry has each, for the host's architecture."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass

from core.config.model import Architecture
from core.errors import KollarmError
from core.oci.reference import parse
from core.oci.registry import CONCURRENCY, RegistryClient


@dataclass(frozen=True)
class RequiredImage:
    """An image that hosts of one architecture pull."""

    image: str
    """The reference that kolla-ansible pulls, with registry, repository and tag."""
    name: str
    """The name alone (``nova-compute``)."""
    architecture: Architecture
    hosts: tuple[str, ...]
    """The hosts that pull it."""

    @property
    def registry(self) -> str:
        """``host:port``; Docker Hub if the reference has none."""
        return parse(self.image).address

    @property
    def repository(self) -> str:
        """The path within the registry."""
        return parse(self.image).repository

    @property
    def tag(self) -> str:
        return parse(self.image).which

    def to_dict(self) -> dict[str, object]:
        return asdict(self)


@dataclass(frozen=True)
class MissingImage:
    """An image that the registry doesn't have, or not for the hosts' architecture."""

    required: RequiredImage
    present: frozenset[str] | None
    """The architectures that the registry has; None: it doesn't have the image."""

    def to_text(self) -> str:
        hosts = ", ".join(self.required.hosts)
        if self.present is None:
            problem = "is not in the registry"
        else:
            only = ", ".join(sorted(self.present)) or "nothing"
            problem = f"has no {self.required.architecture.oci} (only {only})"
        return f"{self.required.image} {problem}; required by {hosts}"


class ImagesMissing(KollarmError):
    """The registry doesn't have some of the images that hosts would pull."""

    def __init__(self, missing: Sequence[MissingImage], total: int, words: Sequence[str] = ()):
        self.missing = tuple(missing)
        super().__init__(
            f"{len(missing)} of {total} images are missing from the registry; nothing was pulled",
            hint="build them: " + "; ".join(build_commands(missing, words)),
            details="\n".join(image.to_text() for image in missing),
        )


def missing_images(
    required: Iterable[RequiredImage], client_at: Callable[[str], RegistryClient]
) -> tuple[MissingImage, ...]:
    """Look up every image and return those that the registry doesn't have.

    :param client_at: returns the client of the registry at a ``host:port``.
    :raises KollarmError: a registry can't be reached or refuses.
    """
    images = list(required)
    references = list(dict.fromkeys((i.registry, i.repository, i.tag) for i in images))
    clients = {name: client_at(name) for name in dict.fromkeys(r for r, _, _ in references)}
    with ThreadPoolExecutor(CONCURRENCY) as pool:
        present = dict(
            zip(
                references,
                pool.map(lambda r: clients[r[0]].architectures(r[1], r[2]), references),
                strict=True,
            )
        )
    missing = []
    for image in images:
        architectures = present[image.registry, image.repository, image.tag]
        if architectures is None or image.architecture.oci not in architectures:
            missing.append(MissingImage(image, architectures))
    return tuple(missing)


def build_commands(missing: Iterable[MissingImage], words: Sequence[str] = ()) -> tuple[str, ...]:
    """The commands that build the missing images, one for each architecture.

    :param words: the options that name the configuration file, if it isn't the default.
    """
    names: dict[Architecture, list[str]] = {}
    for image in missing:
        names.setdefault(image.required.architecture, []).append(image.required.name)
    return tuple(
        shlex.join(["kollarm", "build", *sorted(set(images)), "--arch", architecture.value, *words])
        for architecture, images in names.items()
    )
