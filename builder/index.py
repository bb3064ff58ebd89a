"""Joining images of several architectures under one tag.

No layer moves: the index names manifests that the repository already holds.
Format: https://github.com/opencontainers/image-spec/blob/main/image-index.md
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from builder.facts import Index, Remote
from builder.registry import OCI_INDEX, RegistryClient, RegistryError, digest_of
from kollarm.config.model import Architecture


def compose(members: Mapping[Architecture, Remote]) -> bytes:
    """The OCI index over these members; the same members give the same bytes."""
    entries = []
    for architecture in sorted(members):
        member = members[architecture]
        platform = {"architecture": member.architecture, "os": member.os}
        if member.variant:
            platform["variant"] = member.variant
        entries.append(
            {
                "mediaType": member.media_type,
                "size": member.manifest_size,
                "digest": member.digest,
                "platform": platform,
            }
        )
    document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}
    return json.dumps(document, indent=2).encode()


def is_current(index: Index | None, members: Mapping[Architecture, Remote]) -> bool:
    """Whether an index already is what :func:`compose` would make of these members."""
    return index is not None and index.digest == digest_of(compose(members))


def faults(members: Mapping[Architecture, Remote]) -> list[str]:
    """What forbids joining these members, in words."""
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


def write(
    client: RegistryClient, repository: str, tag: str, members: Mapping[Architecture, Remote]
) -> str:
    """Write the index under a tag, read it back and check what it leads to.

    :returns: the index's digest.
    :raises RegistryError: a member isn't what it stands for, or the registry
        has something else than what was written.
    """
    name = f"{client.address}/{repository}:{tag}"
    if wrong := faults(members):
        raise RegistryError(f"{name} is not joined: {'; '.join(wrong)}")
    digest = client.put_manifest(repository, tag, compose(members), OCI_INDEX)
    check(client, repository, tag, digest)
    return digest


def check(client: RegistryClient, repository: str, tag: str, digest: str) -> None:
    """Read an index back by its tag and follow every entry to its config.

    :raises RegistryError: the tag leads elsewhere, or an entry isn't of the
        architecture it stands for.
    """
    name = f"{client.address}/{repository}:{tag}"
    index = client.index(repository, tag)
    if index is None or index.digest != digest:
        raise RegistryError(
            f"{name} is {index.digest if index else 'no index'} after writing {digest}",
            hint="does somebody else push to the same tag?",
        )
    read: dict[Architecture, Remote] = {}
    for entry in index.entries:
        member = client.image(repository, entry.digest)
        if member is None:
            raise RegistryError(f"{name}: the entry for {entry.architecture} leads nowhere")
        read[next(a for a in Architecture if a.oci == entry.architecture)] = member
    if wrong := faults(read):
        raise RegistryError(f"{name}: {'; '.join(wrong)}")
