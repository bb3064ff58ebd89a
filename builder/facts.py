"""Facts about the world that a plan is made from, as plain frozen data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kollarm.config.model import Architecture


@dataclass(frozen=True)
class Source:
    """Where an image's program comes from: a section of kolla-build.conf.

    :ivar name: the section (``nova-base``, ``horizon-plugin-…``).
    :ivar kind: ``local``, ``git``, ``url`` or ``pypi``.
    :ivar location: a path, a URL, or ``NAME==VERSION`` of a source distribution.
    :ivar reference: a git branch, tag or commit.
    :ivar sha256: the archive's checksum, where the release pins one for this architecture.
    """

    name: str
    kind: str
    location: str
    reference: str | None = None
    sha256: str | None = None
    enabled: bool = True


@dataclass(frozen=True)
class Rendered:
    """One image's template, rendered for one architecture.

    :ivar context: the folder with its Dockerfile and the files it copies.
    :ivar parent: the name of the Kolla image it starts from; None for ``base``.
    :ivar unbuildable: the release calls it unbuildable here.
    :ivar published: what it is called in a registry; releases up to Xena put the
        distribution and ``source`` before the name.
    """

    name: str
    context: Path
    parent: str | None
    published: str
    source: Source | None = None
    plugins: tuple[Source, ...] = ()
    additions: tuple[Source, ...] = ()
    unbuildable: bool = False


@dataclass(frozen=True)
class Tree:
    """A release's whole template tree, rendered for one architecture.

    :ivar templates: the folder of the release's own, unrendered templates.
    :ivar template_names: the variables and functions that they are rendered with.
    :ivar distros: the base distributions that the release knows.
    :ivar known_options: what its kolla-build.conf may set in ``[DEFAULT]``.
    :ivar ignored_options: what was asked for and this release doesn't know.
    """

    architecture: Architecture
    kolla_version: str
    base_image: str
    base_tag: str
    images: dict[str, Rendered]
    templates: Path
    template_names: frozenset[str]
    distros: frozenset[str] = frozenset()
    known_options: frozenset[str] = frozenset()
    ignored_options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Remote:
    """An image in the registry, under a tag.

    :ivar digest: of its manifest.
    :ivar key: its ``io.kollarm.key`` label.
    :ivar size: bytes of its compressed layers and its config.
    :ivar layers: the digests of its layers, in order.
    :ivar diff_ids: the digests of its layers when unpacked, the same on every engine.
    :ivar history: when each of its steps was carried out (RFC 3339), its ancestors' first.
    """

    digest: str
    media_type: str
    manifest_size: int
    os: str
    architecture: str
    variant: str | None
    key: str | None
    size: int
    layers: tuple[str, ...]
    diff_ids: tuple[str, ...] = ()
    history: tuple[str, ...] = ()


@dataclass(frozen=True)
class Entry:
    """One image in an index, as the OCI image index specification has it."""

    digest: str
    media_type: str
    size: int
    os: str
    architecture: str
    variant: str | None = None


@dataclass(frozen=True)
class Index:
    """An image index (or Docker manifest list) in the registry, under a tag."""

    digest: str
    media_type: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class Local:
    """An image in a container engine, under a tag."""

    id: str
    architecture: str
    key: str | None


@dataclass(frozen=True)
class World:
    """What is already there; keyed by (image name, architecture), indices by image name."""

    remote: dict[tuple[str, Architecture], Remote]
    local: dict[tuple[str, Architecture], Local]
    indices: dict[str, Index]
