"""Finding the images and indices that exist already, in the registry and in the engines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from builder.built_images import BuiltImages
from builder.engines.protocol import ImageBuilder
from builder.facts import EngineImage
from builder.targets import Target
from core.config.model import Architecture
from core.oci.model import ImageIndex, RegistryImage
from core.oci.registry import CONCURRENCY, RegistryClient

if TYPE_CHECKING:
    from builder.attest import SigningKey


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


def unknown(
    client: RegistryClient,
    signing: SigningKey,
    targets: Sequence[Target],
    remote: Mapping[tuple[str, Architecture], RegistryImage],
    indices: Mapping[str, ImageIndex],
) -> frozenset[str]:
    """The digests among a registry's images and indices that a key must not sign.

    Those are all that this machine didn't push and that no statement of the key's, about the
    index that is there, names.

    :param remote: the registry's images of the targets.
    :param indices: by image name.
    """
    found: dict[tuple[str, str, str], set[str]] = {}
    for target in targets:
        image = remote.get((target.name, target.architecture))
        listed = indices[target.name].entries if target.name in indices else ()
        digests = {one.digest for one in listed} | ({image.digest} if image else set())
        tag = target.tag.removesuffix(f"-{target.architecture}")
        found.setdefault((target.name, target.repository, tag), set()).update(digests)

    def of_image(item: tuple[tuple[str, str, str], set[str]]) -> set[str]:
        (name, repository, tag), digests = item
        left = {one for one in digests if not signing.knows(client, repository, one, None)}
        if not left:
            return left  # as on the machine that built them all: nothing has to be asked
        said = signing.earlier(client, repository, tag, indices.get(name))
        return {one for one in left if not signing.knows(client, repository, one, said)}

    with ThreadPoolExecutor(CONCURRENCY) as pool:
        return frozenset().union(*pool.map(of_image, found.items()))


def engines(
    builders: Mapping[Architecture, ImageBuilder],
    targets: Sequence[Target],
    built: BuiltImages | None = None,
) -> dict[tuple[str, Architecture], EngineImage]:
    """The engines' images of the targets, found by their keys.

    :param built: only those that were built here count; None for any.
    """
    found: dict[tuple[str, Architecture], EngineImage] = {}
    by_url = {builder.url: builder for builder in builders.values()}
    known = {url: builder.images_by_key() for url, builder in by_url.items()}
    for target in targets:
        builder = builders[target.architecture]
        image = known[builder.url].get((target.published, target.key))
        if image is None or (built is not None and not built.has_built(image)):
            continue
        if (local := builder.image(image)) is not None:
            found[target.name, target.architecture] = local
    return found
