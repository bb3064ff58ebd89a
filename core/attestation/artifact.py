"""Artifacts that refer to a manifest.

Formats: https://github.com/opencontainers/image-spec/blob/main/manifest.md (subject,
artifactType), and the distribution specification's fallback tag for registries without
a list of referrers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from core.attestation import spdx, statement
from core.oci.manifest import OCI_INDEX, OCI_MANIFEST, digest_of
from core.oci.registry import RegistryClient

EMPTY, EMPTY_TYPE = b"{}", "application/vnd.oci.empty.v1+json"

#: The types of the artifacts that kollarm attaches.
OWN = (statement.MEDIA_TYPE, spdx.MEDIA_TYPE)

#: The annotation with a statement's predicate type, as other tools write it.
PREDICATE = "in-toto.io/predicate-type"


@dataclass(frozen=True)
class ArtifactSubject:
    """The manifest to which an artifact refers."""

    digest: str
    media_type: str
    size: int

    def document(self) -> dict[str, object]:
        return {"mediaType": self.media_type, "digest": self.digest, "size": self.size}

    def tag(self, suffix: str = "") -> str:
        """The tag that stands for it: the fallback tag, or one of cosign's (``.sig``, ``.att``)."""
        return self.digest.replace(":", "-") + suffix


@dataclass(frozen=True)
class Artifact:
    """An attestation of a subject."""

    type: str
    """Its artifact type."""
    media_type: str
    """Of the content."""
    content: bytes
    annotations: Mapping[str, str] = field(default_factory=dict)


def attach(
    client: RegistryClient, repository: str, subject: ArtifactSubject, artifact: Artifact
) -> str:
    """Write an artifact, and list it for its subject; returns its digest.

    :raises RegistryError: the registry refuses it.
    """
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": artifact.type,
        "config": blob(client, repository, EMPTY, EMPTY_TYPE),
        "layers": [blob(client, repository, artifact.content, artifact.media_type)],
        "subject": subject.document(),
        "annotations": dict(artifact.annotations),
    }
    content = json.dumps(manifest).encode()
    digest = client.put_manifest(repository, digest_of(content), content, OCI_MANIFEST)
    if client.referrers(repository, subject.digest) is None:
        entry = {
            "mediaType": OCI_MANIFEST,
            "digest": digest,
            "size": len(content),
            "artifactType": artifact.type,
            "annotations": dict(artifact.annotations),
        }
        _enter(client, repository, subject.tag(), entry)
    return digest


def referrers(client: RegistryClient, repository: str, digest: str) -> list[dict[str, Any]]:
    """The descriptors of a manifest's artifacts, by the registry's list or the fallback tag."""
    found = client.referrers(repository, digest)
    if found is None:
        found = _listed(client, repository, digest.replace(":", "-"))
    return found


def content_of(client: RegistryClient, repository: str, digest: str, subject: str) -> bytes | None:
    """The content of an artifact; None when its subject is not *subject*."""
    manifest = client.manifest(repository, digest)
    if manifest is None or manifest.subject != subject:
        return None
    layers = manifest.descriptors("layers")
    return client.blob(repository, layers[0]["digest"]) if len(layers) == 1 else None


def blob(
    client: RegistryClient, repository: str, content: bytes, media_type: str
) -> dict[str, object]:
    """Write a blob; returns its descriptor."""
    digest = client.put_blob(repository, content)
    return {"mediaType": media_type, "digest": digest, "size": len(content)}


def _listed(client: RegistryClient, repository: str, tag: str) -> list[dict[str, Any]]:
    manifest = client.manifest(repository, tag)
    if manifest is None or manifest.media_type != OCI_INDEX:
        return []
    return manifest.descriptors("manifests")


def _enter(client: RegistryClient, repository: str, tag: str, entry: Mapping[str, object]) -> None:
    """Add to the fallback tag's list, in place of an earlier artifact of the same kind.

    Bills of materials stay beside each other: statements by several keys may name each its own.
    """

    def kind(descriptor: Mapping[str, object]) -> tuple[object, object]:
        if descriptor.get("artifactType") == spdx.MEDIA_TYPE:
            return spdx.MEDIA_TYPE, descriptor["digest"]
        annotations = descriptor.get("annotations")
        predicate = annotations.get(PREDICATE) if isinstance(annotations, dict) else None
        return descriptor.get("artifactType"), predicate

    others = [one for one in _listed(client, repository, tag) if kind(one) != kind(entry)]
    document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [*others, dict(entry)]}
    client.put_manifest(repository, tag, json.dumps(document).encode(), OCI_INDEX)
