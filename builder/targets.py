"""The images as they should be, each with its key, worked out from the rendered templates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType

from builder import keys
from builder.base_image import BaseSource
from builder.context import dockerfile
from builder.facts import EngineImage, RenderedImage, RenderedTree
from core.config.model import Architecture
from core.oci.model import LABEL, RegistryImage


@dataclass(frozen=True)
class Target:
    """One image of one architecture as it should be."""

    name: str
    architecture: Architecture
    parent: str | None
    """The Kolla image it starts from; None for ``base``."""
    key: str
    """The digest over everything it is built from."""
    reference: str
    """Its name in the engine and in the registry."""
    rendered: RenderedImage
    dockerfile: str
    """Its Dockerfile; the parent that its FROM names is put in when it is built."""
    build_args: Mapping[str, str] = field(default_factory=dict, hash=False)
    """The values of its ``ARG`` instructions."""

    @property
    def repository(self) -> str:
        """The path of its repository in the registry."""
        return self.reference.rsplit(":", 1)[0].split("/", 1)[1]

    @property
    def published(self) -> str:
        """Its name in its registry, without the namespace."""
        return self.repository.rsplit("/", 1)[-1]

    @property
    def tag(self) -> str:
        return self.reference.rsplit(":", 1)[1]

    def labels(self, release: str) -> dict[str, str]:
        """The labels that it gets when it is built, now."""
        # names: https://github.com/opencontainers/image-spec/blob/main/annotations.md
        now = datetime.now(UTC)
        return {
            **self.rendered.labels,
            LABEL: self.key,
            "build-date": now.strftime("%Y%m%d"),
            "org.opencontainers.image.created": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "org.opencontainers.image.title": self.name,
            "org.opencontainers.image.version": release,
        }

    def matches(self, image: EngineImage | RegistryImage) -> bool:
        """Whether an image has its key and architecture."""
        return (image.key, image.architecture) == (self.key, self.architecture.oci)


def targets_of(
    tree: RenderedTree,
    base: BaseSource,
    names: Sequence[str],
    *,
    namespace: str,
    tag: str,
    build_args: Mapping[str, str] = MappingProxyType({}),
) -> list[Target]:
    """An architecture's images as they should be.

    :param names: each after its parent.
    :param namespace: the registry's address, and the namespace in it.
    :param build_args: values for ``ARG`` instructions; each image has those that it declares.
    :param tag: of the indices; the images' tags name the architecture too.
    """
    targets: dict[str, Target] = {}
    for name in names:
        rendered = tree.images[name]
        text = dockerfile.without_date(
            (rendered.context / "Dockerfile").read_text(encoding="utf-8")
        )
        if rendered.parent is None and base.bootstrap is not None:
            text = dockerfile.on_prepared_root(text, base.packages)
        parent_key = targets[rendered.parent].key if rendered.parent else base.key
        declared = dockerfile.arguments(text)
        own_args = {arg: value for arg, value in build_args.items() if arg in declared}
        targets[name] = Target(
            name=name,
            architecture=tree.architecture,
            parent=rendered.parent,
            key=keys.image_key(rendered, text, parent_key, tree.architecture, own_args),
            reference=f"{namespace}/{rendered.published}:{tag}-{tree.architecture}",
            rendered=rendered,
            dockerfile=text,
            build_args=own_args,
        )
    return list(targets.values())
