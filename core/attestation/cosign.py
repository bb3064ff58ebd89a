"""Signatures and statements as cosign keeps them beside an image, written and read.

cosign 2 keeps each as a layer of an image under a tag made of the subject's digest
(https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md), cosign 3 as
bundles that refer to it; 3 verifies both.  This module writes the tags.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from typing import Any

from core.attestation import artifact, signing, sigstore, statement
from core.attestation.artifact import ArtifactSubject
from core.errors import KollarmError
from core.json_object import json_object
from core.oci.manifest import OCI_MANIFEST
from core.oci.registry import RegistryClient

SIMPLE_SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json"
SIGNATURE = "dev.cosignproject.cosign/signature"
PREDICATE = "predicateType"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"


def sign(
    client: RegistryClient,
    repository: str,
    subject: ArtifactSubject,
    envelope: bytes,
    key: signing.Key,
) -> None:
    """Write the signature and statement that ``cosign verify`` and ``verify-attestation`` check.

    Signatures with other keys stay; an earlier one with this key is replaced.

    :param envelope: the sealed statement of provenance.
    :raises RegistryError: the registry refuses them.
    """
    payload = json.dumps(
        {
            "critical": {
                "identity": {"docker-reference": f"{client.address}/{repository}"},
                "image": {"docker-manifest-digest": subject.digest},
                "type": "cosign container image signature",
            },
            "optional": None,
        }
    ).encode()
    public = key.public
    signature = base64.b64encode(key.sign(payload)).decode()
    own = artifact.blob(client, repository, payload, SIMPLE_SIGNING)
    sealed = artifact.blob(client, repository, envelope, signing.ENVELOPE)
    notes = {SIGNATURE: "", PREDICATE: statement.PROVENANCE}
    for tag, layer, is_own in (
        (subject.tag(".sig"), own | {"annotations": {SIGNATURE: signature}}, _signed),
        (subject.tag(".att"), sealed | {"annotations": notes}, _sealed),
    ):
        layers = _layers(client, repository, tag)
        others = [other for other in layers if not is_own(client, repository, other, public)]
        _write(client, repository, tag, [*others, layer])


def is_signed(client: RegistryClient, repository: str, digest: str, key: signing.PublicKey) -> bool:
    """Whether a manifest of a repository is signed with a key, in cosign 2's way or 3's."""
    for layer in _layers(client, repository, digest.replace(":", "-") + ".sig"):
        if _signed(client, repository, layer, key) and _about(client, repository, layer, digest):
            return True
    for envelope in _bundled(client, repository, digest):
        try:
            document = statement.parsed(signing.open_envelope(envelope, key))
        except KollarmError:
            continue
        # cosign names no repository there
        if document.get("predicateType") == sigstore.SIGNED and statement.is_about(
            document, digest.partition(":")[2]
        ):
            return True
    return False


def envelopes(client: RegistryClient, repository: str, digest: str) -> Iterator[bytes]:
    """Every sealed statement that cosign (or :func:`sign`) wrote about a manifest."""
    for layer in _layers(client, repository, digest.replace(":", "-") + ".att"):
        if layer.get("mediaType") == signing.ENVELOPE:
            yield client.blob(repository, str(layer["digest"]))
    yield from _bundled(client, repository, digest)


def _bundled(client: RegistryClient, repository: str, digest: str) -> Iterator[bytes]:
    """The envelopes in the bundles that refer to a manifest.

    Their artifact type isn't looked at: in a fallback tag's list cosign gives another.
    """
    for one in artifact.referrers(client, repository, digest):
        if one.get("artifactType") in artifact.OWN:
            continue
        manifest = client.manifest(repository, one["digest"])
        if manifest is None or manifest.subject != digest:
            continue
        for layer in manifest.descriptors("layers"):
            if layer.get("mediaType") == sigstore.BUNDLE:
                yield sigstore.envelope_of(client.blob(repository, str(layer["digest"])))


def _layers(client: RegistryClient, repository: str, tag: str) -> list[dict[str, Any]]:
    manifest = client.manifest(repository, tag)
    return manifest.descriptors("layers") if manifest is not None else []


def _signed(
    client: RegistryClient, repository: str, layer: Mapping[str, Any], key: signing.PublicKey
) -> bool:
    """Whether a layer of a ``.sig`` image is signed with a key."""
    try:
        signature = base64.b64decode(layer["annotations"][SIGNATURE], validate=True)
    except (KeyError, TypeError, binascii.Error):
        return False
    return key.good(signature, client.blob(repository, str(layer["digest"])))


def _sealed(
    client: RegistryClient, repository: str, layer: Mapping[str, Any], key: signing.PublicKey
) -> bool:
    """Whether a layer of an ``.att`` image is a statement of provenance by a key."""
    try:
        payload = signing.open_envelope(client.blob(repository, str(layer["digest"])), key)
        return statement.parsed(payload).get("predicateType") == statement.PROVENANCE
    except KollarmError:
        return False


def _about(client: RegistryClient, repository: str, layer: Mapping[str, Any], digest: str) -> bool:
    """Whether a simple signature's payload names a manifest, in this repository of any registry."""
    payload = json_object(client.blob(repository, str(layer["digest"])), "a signature's payload")
    try:
        critical = payload["critical"]
        named, place = critical["image"]["docker-manifest-digest"], critical["identity"]
        return named == digest and statement.path_of(place["docker-reference"]) == repository
    except (KeyError, TypeError):
        return False


def _write(client: RegistryClient, repository: str, tag: str, layers: list[dict[str, Any]]) -> None:
    """Write an image of some layers under a tag."""
    config = {
        "architecture": "",
        "os": "",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"] for layer in layers]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": artifact.blob(client, repository, json.dumps(config).encode(), CONFIG_TYPE),
        "layers": layers,
    }
    client.put_manifest(repository, tag, json.dumps(manifest).encode(), OCI_MANIFEST)
