"""Facts about the world that a plan is made from, as plain frozen data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from core.config.model import Architecture
from core.oci.model import ImageIndex, RegistryImage


@dataclass(frozen=True)
class ImageSource:
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
class RenderedImage:
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
    source: ImageSource | None = None
    plugins: tuple[ImageSource, ...] = ()
    additions: tuple[ImageSource, ...] = ()
    unbuildable: bool = False


@dataclass(frozen=True)
class RenderedTree:
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
    images: dict[str, RenderedImage]
    templates: Path
    template_names: frozenset[str]
    distros: frozenset[str] = frozenset()
    known_options: frozenset[str] = frozenset()
    ignored_options: tuple[str, ...] = ()


@dataclass(frozen=True)
class EngineImage:
    """An image in a container engine, under a tag."""

    id: str
    architecture: str
    key: str | None


@dataclass(frozen=True)
class ExistingImages:
    """What is already there; keyed by (image name, architecture), indices by image name."""

    remote: dict[tuple[str, Architecture], RegistryImage]
    local: dict[tuple[str, Architecture], EngineImage]
    indices: dict[str, ImageIndex]
