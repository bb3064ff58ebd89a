"""Reading the attestations of an index back, and verifying them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from builder.attest import artifact, cosign
from core.attestation import signing, spdx, statement
from core.attestation.finding import AttestationFinding
from core.errors import KollarmError
from core.oci.registry import RegistryClient, RegistryError


def verify(
    client: RegistryClient, repository: str, tag: str, key: signing.PublicKey | None = None
) -> list[AttestationFinding]:
    """Check the provenance of the index under a tag, and the bill of materials of its members.

    :param key: the statement and the index must be signed with it, by kollarm or by cosign;
        None accepts unsigned ones too.
    :raises RegistryError: the registry can't be reached, or has no index there.
    """
    index = client.index(repository, tag)
    reference = f"{client.address}/{repository}:{tag}"
    if index is None:
        raise RegistryError(f"there is no index {reference}", hint="run kollarm build")
    findings = [_provenance(client, repository, index.digest, reference, key)]
    if key is not None:
        findings.append(_signature(client, repository, index.digest, reference, key))
    for entry in index.entries:
        findings.append(_bill(client, repository, entry.digest, reference, entry.architecture))
    return findings


def statements(client: RegistryClient, repository: str, tag: str) -> list[dict[str, Any]]:
    """Every statement about the index under a tag, unsealed but not verified, each once."""
    index = client.index(repository, tag)
    if index is None:
        raise RegistryError(f"there is no index {client.address}/{repository}:{tag}")
    found: list[dict[str, Any]] = []
    for content in _contents(client, repository, index.digest):
        document = _parsed(signing.open_envelope(content, None) if _sealed(content) else content)
        if document not in found:
            found.append(document)
    return found


def _contents(client: RegistryClient, repository: str, digest: str) -> Iterator[bytes]:
    """The statements about a manifest, sealed or not: kollarm's own, then cosign's."""
    for one in artifact.referrers(client, repository, digest):
        if one.get("artifactType") == statement.MEDIA_TYPE:
            content = artifact.content_of(client, repository, str(one["digest"]), digest)
            if content is not None:
                yield content
    yield from cosign.envelopes(client, repository, digest)


def _sealed(content: bytes) -> bool:
    return "payloadType" in _parsed(content)


def _parsed(content: bytes) -> dict[str, Any]:
    try:
        document = json.loads(content)
    except ValueError as error:
        raise KollarmError("a statement is damaged: it is not JSON") from error
    if not isinstance(document, dict):
        raise KollarmError("a statement is damaged: it is not a JSON object")
    return document


def _provenance(
    client: RegistryClient,
    repository: str,
    digest: str,
    reference: str,
    key: signing.PublicKey | None,
) -> AttestationFinding:
    """Whether one statement of provenance is valid; if none is, the first one's fault."""
    faults = []
    for content in _contents(client, repository, digest):
        try:
            fault = _fault(content, digest, key)
        except KollarmError as error:
            fault = error.message
        if fault is None:
            text = "signed with the key" if key is not None else "about this index"
            return AttestationFinding(reference, "provenance", digest, True, text)
        faults += [fault] if fault else []
    text = faults[0] if faults else "missing: kollarm build --force makes one"
    return AttestationFinding(reference, "provenance", digest, False, text)


def _fault(content: bytes, digest: str, key: signing.PublicKey | None) -> str | None:
    """The fault of a statement; None for a valid one, empty for one that isn't of provenance.

    :raises KollarmError: it is damaged, or not signed with the key.
    """
    sealed = _sealed(content)
    document = _parsed(signing.open_envelope(content, None) if sealed else content)
    if document.get("predicateType") != statement.PROVENANCE:
        return ""
    if not statement.is_about(document, digest.partition(":")[2]):
        return "it is about another index"
    if key is not None:
        if not sealed:
            return "the statement isn't signed"
        signing.open_envelope(content, key)
    return None


def _signature(
    client: RegistryClient, repository: str, digest: str, reference: str, key: signing.PublicKey
) -> AttestationFinding:
    good = cosign.is_signed(client, repository, digest, key)
    text = "signed with the key" if good else "not signed with this key"
    return AttestationFinding(reference, "signature", digest, good, text)


def _bill(
    client: RegistryClient, repository: str, digest: str, reference: str, architecture: str
) -> AttestationFinding:
    what = f"bill of materials, {architecture}"
    for one in artifact.referrers(client, repository, digest):
        if one.get("artifactType") != spdx.MEDIA_TYPE:
            continue
        content = artifact.content_of(client, repository, str(one["digest"]), digest)
        try:
            document = _parsed(content or b"")
        except KollarmError as error:
            return AttestationFinding(reference, what, digest, False, error.message)
        packages = document.get("packages")
        if isinstance(packages, list) and packages:
            count = len(packages) - 1  # the first one is the image itself
            return AttestationFinding(reference, what, digest, True, f"{count} packages")
    return AttestationFinding(
        reference, what, digest, False, "missing: kollarm build --force makes one"
    )
