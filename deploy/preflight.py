"""Before a pull: every image each host will pull exists for that host's architecture."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from core.config.model import Architecture
from core.errors import KollarmError
from core.oci.registry import RegistryClient


@dataclass(frozen=True)
class RequiredImage:
    """An image that hosts of one architecture pull."""

    image: str
    """With registry, repository and tag, as kolla-ansible asks for it."""
    name: str
    """The image's own name."""
    architecture: Architecture
    hosts: tuple[str, ...]

    @property
    def registry(self) -> str:
        """``host:port``; Docker Hub's where none is written."""
        first, slash, _ = self.image.partition("/")
        named = slash and ("." in first or ":" in first or first == "localhost")
        return first if named else "docker.io"

    @property
    def repository(self) -> str:
        """The path within the registry."""
        path = self.image.removeprefix(f"{self.registry}/")
        return path.rsplit(":", 1)[0] if ":" in path else path

    @property
    def tag(self) -> str:
        path = self.image.removeprefix(f"{self.registry}/")
        return path.rsplit(":", 1)[1] if ":" in path else "latest"


@dataclass(frozen=True)
class MissingImage:
    """An image that isn't there, or isn't for the hosts' architecture."""

    needed: RequiredImage
    there: frozenset[str] | None

    def __str__(self) -> str:
        hosts = ", ".join(self.needed.hosts)
        if self.there is None:
            what = "is not in the registry"
        else:
            has = ", ".join(sorted(self.there)) or "nothing"
            what = f"has no {self.needed.architecture.oci} (only {has})"
        return f"{self.needed.image} {what}; wanted by {hosts}"


class ImagesMissing(KollarmError):
    """Some images that hosts are about to pull aren't in the registry."""

    def __init__(self, missing: Sequence[MissingImage], total: int, words: Sequence[str] = ()):
        self.missing = tuple(missing)
        super().__init__(
            f"{len(missing)} of {total} images are missing from the registry; nothing was pulled",
            hint="build them: " + "; ".join(build_commands(missing, words)),
            details="\n".join(map(str, missing)),
        )


def look(
    needed: Iterable[RequiredImage], client_at: Callable[[str], RegistryClient]
) -> tuple[MissingImage, ...]:
    """Ask the registry for every image and return those that are missing.

    :param client_at: gives the client of the registry at a ``host:port``.
    :raises KollarmError: a registry can't be reached or refuses.
    """
    wanted = list(needed)
    references = list(dict.fromkeys((n.registry, n.repository, n.tag) for n in wanted))
    clients = {name: client_at(name) for name in dict.fromkeys(r for r, _, _ in references)}
    with ThreadPoolExecutor(8) as pool:
        found = dict(
            zip(
                references,
                pool.map(lambda r: clients[r[0]].architectures(r[1], r[2]), references),
                strict=True,
            )
        )
    missing = []
    for one in wanted:
        there = found[one.registry, one.repository, one.tag]
        if there is None or one.architecture.oci not in there:
            missing.append(MissingImage(one, there))
    return tuple(missing)


def build_commands(missing: Iterable[MissingImage], words: Sequence[str] = ()) -> tuple[str, ...]:
    """The commands that make what is missing, one per architecture.

    :param words: that name the configuration file, where it isn't the usual one.
    """
    names: dict[Architecture, list[str]] = {}
    for one in missing:
        names.setdefault(one.needed.architecture, []).append(one.needed.name)
    return tuple(
        shlex.join(["kollarm", "build", *sorted(set(found)), "--arch", architecture.value, *words])
        for architecture, found in names.items()
    )
