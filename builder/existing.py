"""Finding the images and indices that exist already, in the registry and in the engines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from builder.engines.protocol import ImageBuilder
from builder.facts import EngineImage
from builder.targets import Target
from core.config.model import Architecture
from core.oci.model import ImageIndex, RegistryImage
from core.oci.registry import RegistryClient

#: Concurrent requests.
CONCURRENCY = 8


def registry(
    client: RegistryClient, targets: Sequence[Target], tag: str
) -> tuple[dict[tuple[str, Architecture], RegistryImage], dict[str, ImageIndex]]:
    """The registry's images of the targets, and their indices under the tag.

    :raises RegistryError: it can't be reached, or refuses.
    """
    client.ping()
    repositories = {target.name: target.repository for target in targets}
    with ThreadPoolExecutor(CONCURRENCY) as pool:
        images = [(t, pool.submit(client.image, t.repository, t.tag)) for t in targets]
        indices = [
            (name, pool.submit(client.index, repository, tag))
            for name, repository in repositories.items()
        ]
        remote = {
            (target.name, target.architecture): found
            for target, future in images
            if (found := future.result()) is not None
        }
        index = {name: known for name, joined in indices if (known := joined.result()) is not None}
    return remote, index


def engines(
    builders: Mapping[Architecture, ImageBuilder], targets: Sequence[Target]
) -> dict[tuple[str, Architecture], EngineImage]:
    """The engines' images of the targets, found by their keys."""
    found: dict[tuple[str, Architecture], EngineImage] = {}
    by_url = {builder.url: builder for builder in builders.values()}
    known = {url: builder.images_by_key() for url, builder in by_url.items()}
    for target in targets:
        builder = builders[target.architecture]
        image = known[builder.url].get((target.published, target.key))
        if image is not None and (local := builder.image(image)) is not None:
            found[target.name, target.architecture] = local
    return found
