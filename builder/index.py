"""Joining images of several architectures under one tag.

No layer moves: the index lists manifests that the repository already holds.
Format: https://github.com/opencontainers/image-spec/blob/main/image-index.md
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from core.config.model import Architecture
from core.oci.model import ImageIndex, IndexEntry, RegistryImage
from core.oci.registry import OCI_INDEX, RegistryClient, RegistryError, digest_of


@dataclass(frozen=True)
class ComposedIndex:
    """An index to write."""

    members: Mapping[Architecture, RegistryImage]
    others: tuple[IndexEntry, ...]
    """Entries of the earlier index that stay beside the members."""
    content: bytes
    digest: str


def entry(member: RegistryImage) -> IndexEntry:
    """An image's entry in an index."""
    return IndexEntry(
        member.digest,
        member.media_type,
        member.manifest_size,
        member.os,
        member.architecture,
        member.variant,
    )


def compose(
    members: Mapping[Architecture, RegistryImage], others: Sequence[IndexEntry] = ()
) -> ComposedIndex:
    """The OCI index over these members; the same members give the same bytes.

    :param others: entries of an earlier index that stay (:func:`others`).
    """
    entries = [entry(members[architecture]) for architecture in sorted(members)]
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [
            {
                "mediaType": one.media_type,
                "size": one.size,
                "digest": one.digest,
                "platform": {
                    "architecture": one.architecture,
                    "os": one.os,
                    **({"variant": one.variant} if one.variant else {}),
                },
            }
            for one in (*entries, *others)
        ],
    }
    content = json.dumps(document, indent=2).encode()
    return ComposedIndex(members, tuple(others), content, digest_of(content))


def others(
    index: ImageIndex | None, members: Iterable[Architecture], keep: Collection[str] | None
) -> tuple[IndexEntry, ...]:
    """The entries of an index that stay beside the members of a run.

    :param keep: architectures by their OCI names; None for any.
    """
    own = {architecture.oci for architecture in members}
    return tuple(
        one
        for one in sorted(index.entries if index else (), key=lambda one: one.architecture)
        if one.architecture not in own and (keep is None or one.architecture in keep)
    )


def faults(members: Mapping[Architecture, RegistryImage]) -> list[str]:
    """The reasons why these members can't be joined, in words."""
    found = [
        f"the member for {architecture} is an image for "
        f"{member.os or 'no system'}/{member.architecture or 'no architecture'}"
        for architecture, member in members.items()
        if (member.os, member.architecture) != ("linux", architecture.oci)
    ]
    pairs = list(members.items())
    for position, (one, first) in enumerate(pairs):
        found += [
            f"the members for {one} and {other} have the same layers"
            for other, second in pairs[position + 1 :]
            if first.layers == second.layers
        ]
    return found


def write(client: RegistryClient, repository: str, tag: str, index: ComposedIndex) -> None:
    """Write an index under a tag, read it back and check where it leads.

    :raises RegistryError: a member is not of its architecture, or the registry
        has something else than what was written.
    """
    if wrong := faults(index.members):
        name = f"{client.address}/{repository}:{tag}"
        raise RegistryError(f"{name} is not joined: {'; '.join(wrong)}")
    digest = client.put_manifest(repository, tag, index.content, OCI_INDEX)
    check(client, repository, tag, digest, index.others)


def check(
    client: RegistryClient, repository: str, tag: str, digest: str, kept: Sequence[IndexEntry] = ()
) -> None:
    """Read an index back by its tag, and follow the entries of an earlier one to their configs.

    Its other members were read from the registry right before, by the digests that
    the index lists: there is nothing else under a digest.

    :raises RegistryError: the tag leads elsewhere, or an entry is not of its architecture.
    """
    name = f"{client.address}/{repository}:{tag}"
    index = client.index(repository, tag)
    if index is None or index.digest != digest:
        raise RegistryError(
            f"{name} is {index.digest if index else 'no index'} after writing {digest}",
            hint="is another build pushing to the same tag?",
        )
    for one in kept:
        member = client.image(repository, one.digest)
        if member is None:
            raise RegistryError(
                f"{name}: the manifest listed for {one.architecture} does not exist"
            )
        if (member.os, member.architecture) != (one.os, one.architecture):
            raise RegistryError(
                f"{name}: the entry for {one.os}/{one.architecture} is an image for "
                f"{member.os}/{member.architecture}"
            )
