"""Images of both architectures in a real registry, planned, joined and signed without an engine."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from builder import existing
from builder.attest import Attestor, SigningKey
from builder.attest.make import BUILD_TYPE
from builder.built_images import BuiltImages
from builder.facts import ExistingImages, RenderedImage
from builder.join import IndexJoiner
from builder.plan import BuildAction, BuildPlan, make_plan
from builder.record import ImageRecord, IndexRecord, State
from builder.targets import Target
from core.attestation import cosign, signing, statement, verification
from core.attestation.artifact import ArtifactSubject
from core.attestation.finding import AttestationFinding
from core.attestation.newest import NewestIndices
from core.config.model import Architecture
from core.oci.registry import OCI_MANIFEST, RegistryClient
from tests.support.stocked import put

TAG = "t"


class Machine:
    """A machine that builds images with a key, its state in a folder of its own.

    :param architectures: those that it builds.
    """

    def __init__(
        self,
        client: RegistryClient,
        folder: Path,
        key: signing.Key | None,
        architectures: Iterable[Architecture] = tuple(Architecture),
    ):
        self.client, self.key = client, key
        self.architectures = tuple(architectures)
        self.built, self.newest = BuiltImages(folder), NewestIndices(folder)
        self.signing = SigningKey(key, self.built, self.newest) if key else None

    def target(self, name: str, architecture: Architecture) -> Target:
        return Target(
            name=name,
            architecture=architecture,
            parent=None,
            key=f"{name}-{architecture}",
            reference=f"{self.client.address}/kolla/{name}:{TAG}-{architecture}",
            rendered=RenderedImage(name, Path("/nowhere"), None, name),
            dockerfile="FROM x\n",
        )

    def plan(self, *names: str, keep: tuple[str, ...] | None = None) -> BuildPlan:
        targets = [self.target(name, one) for name in names for one in self.architectures]
        remote, indices = existing.registry(self.client, targets, TAG)
        unknown: frozenset[str] = frozenset()
        if self.signing is not None:
            unknown = existing.unknown(self.client, self.signing, targets, remote, indices)
        return make_plan(
            targets,
            ExistingImages(remote, {}, indices, unknown),
            release="2026.1",
            kolla_version="22",
            registry=self.client.address,
            tag=TAG,
            keep=keep,
        )

    def build(
        self, *names: str, keep: tuple[str, ...] | None = None, attest: bool = False
    ) -> list[IndexRecord]:
        """Push what the plan builds, then attest and write its indices.

        :param attest: even those that are as they should be.
        """
        plan = self.plan(*names, keep=keep)
        remotes, rows = {}, {}
        for step in plan.images:
            target = step.target
            if step.action is not BuildAction.KEEP:
                put(self.client, target.repository, target.tag, target.architecture, target.key)
            found = self.client.image(target.repository, target.tag)
            assert found is not None
            if step.action is not BuildAction.KEEP:
                self.built.note(target.reference, digest=found.digest, engine_id=found.digest)
            place = (target.name, target.architecture)
            remotes[place] = found
            rows[place] = ImageRecord(
                target.name, target.architecture, target.reference, State.KEPT, found.digest
            )
        attestor = Attestor(plan=plan, client=self.client, overlays={}, signing=self.signing)
        joiner = IndexJoiner(self.client, attestor, lambda step, member: None)
        return [
            joiner.join(step, [rows[step.name, one] for one in step.members], remotes)
            for step in (
                replace(one, action=BuildAction.ATTEST) if attest else one for one in plan.indices
            )
        ]

    def members(self, name: str) -> dict[str, str]:
        """The digest for each architecture in the index of an image."""
        index = self.client.index(f"kolla/{name}", TAG)
        assert index is not None
        return {one.architecture: one.digest for one in index.entries}

    def verify(self, name: str) -> dict[str, AttestationFinding]:
        """Provenance and signature of an index; the images here have no package databases."""
        public = self.key.public if self.key else None
        findings = verification.verify(self.client, f"kolla/{name}", TAG, public, self.newest)
        return {one.what: one for one in findings if "bill" not in one.what}


def a_key() -> signing.Key:
    return signing.Key(ec.generate_private_key(ec.SECP256R1()))


def backdoor(client: RegistryClient, name: str, architecture: Architecture) -> str:
    """Replace a member by an image of the same label, as anybody who may push can."""
    put(client, f"kolla/{name}", "evil", architecture, f"{name}-{architecture}", b"backdoor")
    manifest = client.manifest(f"kolla/{name}", "evil")
    assert manifest is not None
    tag = f"{TAG}-{architecture}"
    return client.put_manifest(f"kolla/{name}", tag, manifest.content, OCI_MANIFEST)


def copy(client: RegistryClient, source: str, target: str, reference: str) -> None:
    """Copy a manifest with everything that it lists to another repository."""
    manifest = client.manifest(source, reference)
    assert manifest is not None
    for one in manifest.descriptors("manifests"):
        copy(client, source, target, one["digest"])
    config = manifest.document.get("config")
    for one in [*manifest.descriptors("layers"), *([config] if config else [])]:
        client.put_blob(target, client.blob(source, one["digest"]))
    client.put_manifest(target, reference, manifest.content, manifest.media_type)


def sign(client: RegistryClient, repository: str, tag: str, key: signing.Key) -> str:
    """Sign an index that is in a registry, as a build would; its digest."""
    index = client.manifest(repository, tag)
    assert index is not None
    predicate = statement.provenance(
        BUILD_TYPE, external={"tag": tag}, internal={}, dependencies=[]
    )
    document = statement.statement(
        f"{client.address}/{repository}",
        index.digest.partition(":")[2],
        statement.PROVENANCE,
        predicate,
    )
    sealed = signing.seal(key, statement.MEDIA_TYPE, json.dumps(document).encode())
    subject = ArtifactSubject(index.digest, index.media_type, len(index.content))
    cosign.sign(client, repository, subject, sealed, key)
    return index.digest
