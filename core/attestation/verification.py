"""Reading the attestations of an index in a registry back, and verifying them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from core.attestation import artifact, cosign, signing, spdx, statement
from core.attestation.finding import AttestationFinding
from core.attestation.newest import NewestIndices, SeenIndex
from core.attestation.spdx import BomPackage
from core.errors import KollarmError
from core.json_object import json_object
from core.oci.manifest import digest_of
from core.oci.model import ImageIndex, IndexEntry
from core.oci.registry import RegistryClient, RegistryError

#: What to do about an attestation that is missing or wrong.
REMEDY = "kollarm attest write"


@dataclass(frozen=True)
class IndexProvenance:
    """What a valid statement says about an index."""

    finished: str
    """When it was made (RFC 3339, UTC)."""
    members: frozenset[str]
    """The digests of everything that it lists."""
    bills: Mapping[str, str]
    """For members, by their digest, the digest of the bill of materials."""


@dataclass(frozen=True)
class BillOfMaterials:
    """The bill of materials of an image."""

    digest: str
    content: bytes
    """The document, in SPDX's JSON."""
    packages: list[BomPackage]


def verify(
    client: RegistryClient,
    repository: str,
    tag: str,
    key: signing.PublicKey | None = None,
    newest: NewestIndices | None = None,
) -> list[AttestationFinding]:
    """Check the provenance of the index under a tag, and the bills of materials of its members.

    :param key: the index, the statement and through it the bills must be signed with it, by
        kollarm or by cosign; None accepts unsigned ones too.
    :param newest: an index older than the one that was seen last isn't accepted.
    :raises RegistryError: the registry can't be reached, or has no index there.
    """
    reference, index = _index_under(client, repository, tag)
    said, fault = provenance(client, repository, tag, index.digest, key, newest)
    usual = "signed with the key" if key is not None else "about this index"
    findings = [
        AttestationFinding(reference, "provenance", index.digest, said is not None, fault or usual)
    ]
    if key is not None:
        findings.append(_signature(client, repository, index.digest, reference, key))
    signed = (said.bills if said else {}) if key is not None else None
    for entry in index.entries:
        if entry.is_image:
            findings.append(_bill(client, repository, entry, reference, signed))
    return findings


def require_signed(
    client: RegistryClient,
    repository: str,
    tag: str,
    key: signing.PublicKey,
    newest: NewestIndices | None = None,
) -> str:
    """The digest of the index under a tag, which is signed, with a signed statement about it.

    :param newest: as for :func:`verify`.
    :raises KollarmError: it isn't; with the reasons.
    """
    reference, index = _index_under(client, repository, tag)
    _, fault = provenance(client, repository, tag, index.digest, key, newest)
    faults = [f"provenance: {fault}"] if fault else []
    if not cosign.is_signed(client, repository, index.digest, key):
        faults.append("signature: not signed with this key")
    if faults:
        raise KollarmError(f"{reference} ({index.digest}): {'; '.join(faults)}")
    return index.digest


def statements(client: RegistryClient, repository: str, tag: str) -> list[dict[str, Any]]:
    """Every statement about the index under a tag, unsealed but not verified, each once."""
    _, index = _index_under(client, repository, tag)
    found: list[dict[str, Any]] = []
    for content in _contents(client, repository, index.digest):
        document = _opened(content, None)
        if document not in found:
            found.append(document)
    return found


def _index_under(client: RegistryClient, repository: str, tag: str) -> tuple[str, ImageIndex]:
    """The index under a tag, and its whole name.

    :raises RegistryError: there is none, or the registry can't be reached.
    """
    reference = f"{client.address}/{repository}:{tag}"
    index = client.index(repository, tag)
    if index is None:
        raise RegistryError(f"there is no index {reference}", hint="run kollarm build")
    return reference, index


def provenance(
    client: RegistryClient,
    repository: str,
    tag: str,
    digest: str,
    key: signing.PublicKey | None,
    newest: NewestIndices | None = None,
) -> tuple[IndexProvenance | None, str]:
    """What the newest valid statement says about the index with a digest.

    It has to be about this digest in this repository, under this tag, and not older than what
    was seen under that name before.

    :param key: it must be signed with it; None accepts unsigned ones.
    :returns: it; or None, and why there is none, in words.
    """
    found: list[IndexProvenance] = []
    faults: list[str] = []
    for content in _contents(client, repository, digest):
        try:
            said = provenance_in(content, key, repository, tag, digest)
            found += [said] if said else []
        except KollarmError as error:
            faults.append(error.message)
    if not found:
        return None, faults[0] if faults else f"missing: {REMEDY} makes one"
    last = max(found, key=lambda one: one.finished)
    if key is not None and newest is not None:
        name, seen = f"{client.address}/{repository}:{tag}", SeenIndex(digest, last.finished)
        if newer := newest.newer(name, seen):
            return None, (
                f"it is from {last.finished}, but this machine has seen {newer.digest} "
                f"from {newer.finished}; if going back is meant, remove that from {newest.path}"
            )
        newest.note(name, seen)
    return last, ""


def provenance_in(
    content: bytes, key: signing.PublicKey | None, repository: str, tag: str, digest: str
) -> IndexProvenance | None:
    """What a statement says about the index with a digest; None if it is of another sort.

    :param content: sealed or not.
    :param key: as for :func:`provenance`.
    :raises KollarmError: it is damaged, not signed with the key, or about something else.
    """
    document = _opened(content, key)
    if document.get("predicateType") != statement.PROVENANCE:
        return None
    _require_name(document, repository, tag, digest)
    return _read(document)


def _contents(client: RegistryClient, repository: str, digest: str) -> Iterator[bytes]:
    """The statements about a manifest, sealed or not: kollarm's own, then cosign's."""
    for one in artifact.referrers(client, repository, digest):
        if one.get("artifactType") == statement.MEDIA_TYPE:
            content = artifact.content_of(client, repository, one["digest"], digest)
            if content is not None:
                yield content
    yield from cosign.envelopes(client, repository, digest)


def _opened(content: bytes, key: signing.PublicKey | None) -> dict[str, Any]:
    """A statement, out of its envelope.

    :raises KollarmError: it is damaged, or not signed with the key.
    """
    if "payloadType" in json_object(content, "a statement"):
        return statement.parsed(signing.open_envelope(content, key))
    if key is not None:
        raise KollarmError("the statement isn't signed")
    return statement.parsed(content)


def _require_name(document: Mapping[str, Any], repository: str, tag: str, digest: str) -> None:
    """:raises KollarmError: a statement is about something else than this index."""
    sha256 = digest.partition(":")[2]
    if not statement.is_about(document, sha256):
        raise KollarmError("it is about another index")
    if not statement.is_about_image(document, sha256, repository):
        raise KollarmError(f"it is about an index of another image than {repository}")
    told = _part(document, "externalParameters").get("tag")
    if told != tag:
        raise KollarmError(f"it is about the tag {told!r}, not {tag!r}")


def _read(document: Mapping[str, Any]) -> IndexProvenance:
    internal = _part(document, "internalParameters")
    members, bills = internal.get("members"), internal.get("bills")
    others = internal.get("others")
    digests = [*members.values()] if isinstance(members, dict) else []
    digests += others if isinstance(others, list) else []
    return IndexProvenance(
        statement.finished(document),
        frozenset(map(str, digests)),
        {str(name): str(one) for name, one in bills.items()} if isinstance(bills, dict) else {},
    )


def _part(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A part of a statement's build definition; empty where there is none."""
    predicate = document.get("predicate")
    definition = predicate.get("buildDefinition") if isinstance(predicate, dict) else None
    part = definition.get(name) if isinstance(definition, dict) else None
    return part if isinstance(part, dict) else {}


def _signature(
    client: RegistryClient, repository: str, digest: str, reference: str, key: signing.PublicKey
) -> AttestationFinding:
    good = cosign.is_signed(client, repository, digest, key)
    text = "signed with the key" if good else "not signed with this key"
    return AttestationFinding(reference, "signature", digest, good, text)


def _bill(
    client: RegistryClient,
    repository: str,
    member: IndexEntry,
    reference: str,
    signed: Mapping[str, str] | None,
) -> AttestationFinding:
    """:param signed: as for :func:`bill_of`."""
    what = f"bill of materials, {member.architecture}"
    found, fault = bill_of(client, repository, member.digest, signed)
    text = f"{len(found.packages)} packages" if found else fault
    return AttestationFinding(reference, what, member.digest, found is not None, text)


def bill_under(
    client: RegistryClient,
    repository: str,
    tag: str,
    architecture: str,
    key: signing.PublicKey | None = None,
) -> BillOfMaterials:
    """The bill of materials of an architecture's image, in the index under a tag.

    :param architecture: by OCI's name.
    :param key: a statement signed with it has to name the bill; None accepts any.
    :raises KollarmError: there is none, with the reason.
    """
    reference, index = _index_under(client, repository, tag)
    signed = None
    if key is not None:
        said, fault = provenance(client, repository, tag, index.digest, key)
        if said is None:
            raise KollarmError(f"{reference}: {fault}")
        signed = said.bills
    for entry in index.entries:
        if entry.is_image and entry.architecture == architecture:
            bill, fault = bill_of(client, repository, entry.digest, signed)
            if bill is None:
                raise KollarmError(f"{reference}, {architecture}: {fault}")
            return bill
    raise KollarmError(f"{reference} has no image for {architecture}")


def bill_of(
    client: RegistryClient, repository: str, member: str, signed: Mapping[str, str] | None
) -> tuple[BillOfMaterials | None, str]:
    """The bill of materials of an image.

    :param member: the image's digest.
    :param signed: for each image's digest, the one of the bill that a signed statement names;
        None: any bill will do.
    :returns: it; or None, and why there is none, in words.
    """
    fault = f"missing: {REMEDY} makes one"
    for one in artifact.referrers(client, repository, member):
        if one.get("artifactType") != spdx.MEDIA_TYPE:
            continue
        content = artifact.content_of(client, repository, one["digest"], member) or b""
        try:
            packages = spdx.packages_about(content, member.partition(":")[2])
        except KollarmError as error:
            fault = error.message
            continue
        digest = digest_of(content)
        if signed is None or signed.get(member) == digest:
            return BillOfMaterials(digest, content, packages), ""
        fault = f"not the one that the signed statement names; {REMEDY} makes another"
    return None, fault
