"""Images to build: as rendered, as planned, and as the registry has them."""

from __future__ import annotations

from pathlib import Path

from builder.facts import RenderedImage, RenderedTree
from builder.targets import Target
from core.config.model import Architecture
from core.oci.model import RegistryImage
from core.oci.registry import digest_of

PARENTS = {"base": None, "cron": "base", "nova-base": "base", "nova-compute": "nova-base"}


def tree(architecture: Architecture, unbuildable: tuple[str, ...] = ()) -> RenderedTree:
    """Rendered images with the parents in :data:`PARENTS`."""
    return RenderedTree(
        architecture=architecture,
        kolla_version="22.2.0",
        base_image="debian",
        base_tag="trixie",
        images={
            name: RenderedImage(name, Path(name), parent, name, unbuildable=name in unbuildable)
            for name, parent in PARENTS.items()
        },
        templates=Path("templates"),
        template_names=frozenset(),
    )


def target(name: str, architecture: Architecture, key: str = "k") -> Target:
    """An image to build, one of :data:`PARENTS`."""
    return Target(
        name=name,
        architecture=architecture,
        parent=PARENTS[name],
        key=f"{key}-{name}-{architecture}",
        reference=f"127.0.0.1:5055/kolla/{name}:2026.1-{architecture}",
        rendered=RenderedImage(name, Path(name), PARENTS[name], name),
        dockerfile="FROM x",
    )


def remote(goal: Target) -> RegistryImage:
    """The image in the registry that a target calls for."""
    return RegistryImage(
        digest=digest_of(goal.reference.encode()),
        media_type="application/vnd.docker.distribution.manifest.v2+json",
        manifest_size=1000,
        os="linux",
        architecture=goal.architecture.oci,
        variant=None,
        key=goal.key,
        size=10,
        layers=(digest_of(goal.reference.encode()),),
    )
