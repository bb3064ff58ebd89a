"""Joining images of several architectures under one tag.

No layer moves: the index lists manifests that the registry already holds.
Format: https://github.com/opencontainers/image-spec/blob/main/image-index.md
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

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
    members: Mapping[Architecture, RegistryImage],
    earlier: ImageIndex | None = None,
    keep: Collection[str] | None = None,
) -> ComposedIndex:
    """The OCI index over these members; the same members give the same bytes.

    :param earlier: the index that it replaces: entries for other architectures stay, and what
        other tools attached to images that stay, or noted about them.
    :param keep: the architectures whose entries stay, by their OCI names, and nothing that is
        attached; None for everything.
    """
    entries = [entry(members[architecture]) for architecture in sorted(members)]
    others = _others(earlier, entries, keep)
    known = earlier.entries if earlier else ()
    notes = {one.digest: one.descriptor.get("annotations") for one in known}
    listed = [
        *((one, _descriptor(one, notes.get(one.digest))) for one in entries),
        *((one, dict(one.descriptor) or _descriptor(one, None)) for one in others),
    ]
    # in the same order on a machine that builds all of them and on one that builds some
    listed.sort(key=lambda pair: _order(pair[0]))
    document: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [descriptor for _, descriptor in listed],
    }
    if earlier and earlier.annotations:
        document["annotations"] = dict(earlier.annotations)
    content = json.dumps(document, indent=2).encode()
    return ComposedIndex(members, others, content, digest_of(content))


def _order(one: IndexEntry) -> tuple[bool, str, str, str]:
    ours = {architecture.oci: architecture.value for architecture in Architecture}
    return not one.is_image, ours.get(one.architecture, one.architecture), one.os, one.digest


def _descriptor(one: IndexEntry, annotations: Mapping[str, Any] | None) -> dict[str, Any]:
    return {
        "mediaType": one.media_type,
        "size": one.size,
        "digest": one.digest,
        "platform": {
            "architecture": one.architecture,
            "os": one.os,
            **({"variant": one.variant} if one.variant else {}),
        },
        **({"annotations": dict(annotations)} if annotations else {}),
    }


def _others(
    earlier: ImageIndex | None, members: Sequence[IndexEntry], keep: Collection[str] | None
) -> tuple[IndexEntry, ...]:
    """The entries of an index that stay beside the members of a run."""
    listed = sorted(earlier.entries if earlier else (), key=_order)
    own = {(one.os, one.architecture) for one in members}
    images = [
        one
        for one in listed
        if one.is_image
        and (one.os, one.architecture) not in own
        and (keep is None or one.architecture in keep)
    ]
    there = {one.digest for one in (*members, *images)}
    attached = [
        one
        for one in (listed if keep is None else ())
        if not one.is_image and (one.attached_to is None or one.attached_to in there)
    ]
    return (*images, *attached)


def dropped(earlier: ImageIndex | None, composed: ComposedIndex) -> tuple[IndexEntry, ...]:
    """The images of an earlier index for which the new one has none of their platform."""
    there = {(member.os, member.architecture) for member in composed.members.values()}
    there |= {(one.os, one.architecture) for one in composed.others}
    return tuple(
        one
        for one in (earlier.entries if earlier else ())
        if one.is_image and (one.os, one.architecture) not in there
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


def require(client: RegistryClient, repository: str, tag: str, index: ComposedIndex) -> None:
    """Check that an index may be written under a tag.

    :raises RegistryError: a member, or an entry that stays, is not of its architecture.
    """
    name = f"{client.address}/{repository}:{tag}"
    if wrong := faults(index.members):
        raise RegistryError(f"{name} is not joined: {'; '.join(wrong)}")
    _follow(client, repository, name, index.others)


def write(client: RegistryClient, repository: str, tag: str, index: ComposedIndex) -> None:
    """Write an index under a tag, and read it back.

    :raises RegistryError: as :func:`require`; or the registry has something else than what was
        written.
    """
    require(client, repository, tag, index)
    digest = client.put_manifest(repository, tag, index.content, OCI_INDEX)
    check(client, repository, tag, digest)


def check(client: RegistryClient, repository: str, tag: str, digest: str) -> None:
    """Read an index back by its tag.

    Its members were read from the registry before, by the digests that the index lists:
    there is nothing else under a digest.

    :raises RegistryError: the tag leads elsewhere.
    """
    name = f"{client.address}/{repository}:{tag}"
    index = client.index(repository, tag)
    if index is None or index.digest != digest:
        raise RegistryError(
            f"{name} is {index.digest if index else 'no index'} after writing {digest}",
            hint="is another build pushing to the same tag?",
        )


def _follow(
    client: RegistryClient, repository: str, name: str, entries: Sequence[IndexEntry]
) -> None:
    """Follow the entries of an earlier index to their configs.

    :raises RegistryError: one leads nowhere, or is not of its architecture.
    """
    for one in entries:
        if client.manifest(repository, one.digest) is None:
            raise RegistryError(
                f"{name}: the manifest listed for {one.architecture} does not exist: {one.digest}",
                hint="build it again, or leave it out with --drop-members",
            )
        member = client.image(repository, one.digest) if one.is_image else None
        if member is not None and (member.os, member.architecture) != (one.os, one.architecture):
            raise RegistryError(
                f"{name}: the entry for {one.os}/{one.architecture} is an image for "
                f"{member.os}/{member.architecture}"
            )
