"""The facts from which a plan is made, as plain frozen data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from core.addresses import without_user
from core.config.model import Architecture
from core.oci.model import ImageIndex, RegistryImage

#: Image name → (file name, or path in its build context → content).
ImageFiles = Mapping[str, Mapping[str, bytes]]


@dataclass(frozen=True)
class ImageSource:
    """Where an image's program comes from: a section of kolla-build.conf."""

    name: str
    """The section (``nova-base``, ``horizon-plugin-…``)."""
    kind: str
    """``local``, ``git``, ``url`` or ``pypi``."""
    location: str
    """A path, a URL, or ``NAME==VERSION`` of a source distribution."""
    reference: str | None = None
    """A git branch, tag or commit."""
    sha256: str | None = None
    """The archive's checksum, where the release pins one for this architecture."""
    enabled: bool = True

    @property
    def shown(self) -> str:
        """Its location as it may be shown, logged and published: without a user or password."""
        return without_user(self.location) if self.kind == "url" else self.location

    @property
    def unchecked(self) -> bool:
        """Whether nothing but TLS says that what is fetched is the right archive."""
        return self.enabled and self.kind == "url" and self.sha256 is None


@dataclass(frozen=True)
class RenderedImage:
    """One image's template, rendered for one architecture."""

    name: str
    context: Path
    """The folder with its Dockerfile and the files it copies."""
    parent: str | None
    """The name of the Kolla image it starts from; None for ``base``."""
    published: str
    """Its name in a registry; releases up to Xena put the distribution and ``source``
    before the name.
    """
    source: ImageSource | None = None
    plugins: tuple[ImageSource, ...] = ()
    additions: tuple[ImageSource, ...] = ()
    unbuildable: bool = False
    """The release calls it unbuildable here."""
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)
    """What kolla-build labels it with: no part of its key."""

    @property
    def sources(self) -> tuple[ImageSource, ...]:
        """Its own source, and those of its plugins and additions."""
        return (*((self.source,) if self.source else ()), *self.plugins, *self.additions)


@dataclass(frozen=True)
class RenderedTree:
    """A release's whole template tree, rendered for one architecture."""

    architecture: Architecture
    kolla_version: str
    base_image: str
    base_tag: str
    images: dict[str, RenderedImage]
    templates: Path
    """The folder of the release's own, unrendered templates."""
    template_names: frozenset[str]
    """The variables and functions with which they are rendered."""
    distros: frozenset[str] = frozenset()
    """The base distributions that the release knows."""
    known_options: frozenset[str] = frozenset()
    """Options that its kolla-build.conf may set in ``[DEFAULT]``."""
    ignored_options: tuple[str, ...] = ()
    """Requested options that this release doesn't know."""

    @property
    def suits_buildkit(self) -> bool:
        """Whether the release's own kolla-build can build it with BuildKit (Kolla 23 and later)."""
        return "buildkit" in self.known_options


@dataclass(frozen=True)
class EngineImage:
    """An image in a container engine, under a tag."""

    id: str
    architecture: str
    key: str | None


@dataclass(frozen=True)
class ExistingImages:
    """Images that exist already, by (image name, architecture); indices by image name."""

    remote: dict[tuple[str, Architecture], RegistryImage]
    local: dict[tuple[str, Architecture], EngineImage]
    indices: dict[str, ImageIndex]
    unknown: frozenset[str] = frozenset()
    """Digests in the registry that must not get into an index signed with the key."""
