"""Reading back what is told of an index, and whether it is about that index."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from builder.attest import artifact
from builder.registry import RegistryClient, RegistryError
from kollarm.attest import signing, spdx, statement
from kollarm.errors import KollarmError


@dataclass(frozen=True)
class Finding:
    """One thing that should be told of an index, and whether it is, rightly.

    :ivar subject: the digest that it is about.
    """

    reference: str
    what: str
    subject: str
    good: bool
    text: str

    def to_json(self) -> dict[str, object]:
        return dict(vars(self))


def verify(
    client: RegistryClient, repository: str, tag: str, key: signing.PublicKey | None = None
) -> list[Finding]:
    """Check the provenance of the index under a tag, and the bill of materials of its members.

    :param key: the statement must be signed with it; None takes unsigned ones too.
    :raises RegistryError: the registry can't be reached, or has no index there.
    """
    index = client.index(repository, tag)
    reference = f"{client.address}/{repository}:{tag}"
    if index is None:
        raise RegistryError(f"there is no index {reference}", hint="run kollarm build")
    findings = [_provenance(client, repository, index.digest, reference, key)]
    for entry in index.entries:
        findings.append(_bill(client, repository, entry.digest, reference, entry.architecture))
    return findings


def statements(client: RegistryClient, repository: str, tag: str) -> list[dict[str, Any]]:
    """Every statement about the index under a tag, unsealed but not verified."""
    index = client.index(repository, tag)
    if index is None:
        raise RegistryError(f"there is no index {client.address}/{repository}:{tag}")
    return list(_statements(client, repository, index.digest, None))


def _statements(
    client: RegistryClient, repository: str, digest: str, key: signing.PublicKey | None
) -> Iterator[dict[str, Any]]:
    """The statements of a manifest's artifacts.

    :raises KollarmError: one is damaged, or not signed with the key.
    """
    for one in artifact.referrers(client, repository, digest):
        if one.get("artifactType") != statement.MEDIA_TYPE:
            continue
        content = artifact.content_of(client, repository, str(one["digest"]), digest)
        if content is None:
            continue
        document = _parsed(content)
        if "payloadType" in document:
            document = _parsed(signing.open_envelope(content, key))
        elif key is not None:
            raise KollarmError("the statement isn't signed")
        yield document


def _parsed(content: bytes) -> dict[str, Any]:
    try:
        document = json.loads(content)
    except ValueError as error:
        raise KollarmError("a statement is damaged: it is no JSON") from error
    if not isinstance(document, dict):
        raise KollarmError("a statement is damaged: it is no JSON object")
    return document


def _provenance(
    client: RegistryClient,
    repository: str,
    digest: str,
    reference: str,
    key: signing.PublicKey | None,
) -> Finding:
    try:
        told = [
            one
            for one in _statements(client, repository, digest, key)
            if one.get("predicateType") == statement.PROVENANCE
        ]
    except KollarmError as error:
        return Finding(reference, "provenance", digest, False, error.message)
    wanted = {"sha256": digest.partition(":")[2]}
    about = [one for one in told if _subject(one) == wanted]
    if not told:
        text = "there is none: kollarm build --force makes one"
    elif not about:
        text = "it is about another index"
    else:
        text = "signed with the key" if key is not None else "about this index"
    return Finding(reference, "provenance", digest, bool(about), text)


def _subject(document: dict[str, Any]) -> object:
    try:
        return document["subject"][0]["digest"]
    except (KeyError, IndexError, TypeError):
        return None


def _bill(
    client: RegistryClient, repository: str, digest: str, reference: str, architecture: str
) -> Finding:
    what = f"bill of materials, {architecture}"
    for one in artifact.referrers(client, repository, digest):
        if one.get("artifactType") != spdx.MEDIA_TYPE:
            continue
        content = artifact.content_of(client, repository, str(one["digest"]), digest)
        try:
            document = _parsed(content or b"")
        except KollarmError as error:
            return Finding(reference, what, digest, False, error.message)
        packages = document.get("packages")
        if isinstance(packages, list) and packages:
            count = len(packages) - 1  # the first one is the image itself
            return Finding(reference, what, digest, True, f"{count} packages")
    return Finding(reference, what, digest, False, "there is none: kollarm build --force makes one")
