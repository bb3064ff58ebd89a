"""Attesting an index: its statements are made and written before the index takes its tag."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from builder import keys
from builder.attest import contents
from builder.base_image import BaseSource
from builder.built_images import BuiltImages
from builder.engines.protocol import ImageBuilder
from builder.facts import ImageSource
from builder.index import ComposedIndex
from builder.kolla import sources
from builder.plan import BuildAction, BuildPlan, ImageStep, IndexStep, not_known
from core.attestation import artifact, cosign, signing, spdx, statement, verification
from core.attestation.artifact import Artifact, ArtifactSubject
from core.attestation.newest import NewestIndices, SeenIndex
from core.attestation.verification import IndexProvenance
from core.cache import file_digest, full_digest
from core.config.model import Architecture
from core.errors import KollarmError
from core.oci.model import ImageIndex, RegistryImage
from core.oci.registry import OCI_INDEX, RegistryClient, digest_of
from core.run import run

BUILD_TYPE = "urn:kollarm:kolla-index:1"

#: Gives an engine that has an image, and the image's name there; None where there is none.
EngineWith = Callable[[ImageStep, RegistryImage], tuple[ImageBuilder, str] | None]


class UnknownEntryError(KollarmError):
    """An entry that would stay in a signed index isn't known to the key."""


@dataclass(frozen=True)
class SigningKey:
    """A key, and what this machine remembers of what it may sign."""

    key: signing.Key
    built: BuiltImages
    newest: NewestIndices

    def earlier(
        self, client: RegistryClient, repository: str, tag: str, index: ImageIndex | None
    ) -> IndexProvenance | None:
        """What a statement that this key verifies says about an index in the registry."""
        if index is None:
            return None
        public = self.key.public
        return verification.provenance(client, repository, tag, index.digest, public, self.newest)[
            0
        ]

    def knows(
        self, client: RegistryClient, repository: str, digest: str, said: IndexProvenance | None
    ) -> bool:
        """Whether a manifest may be signed: it was built here, or an earlier statement names it."""
        name = f"{client.address}/{repository}"
        return self.built.has_pushed(name, digest) or (said is not None and digest in said.members)


@dataclass(frozen=True)
class Attestor:
    """Attests each index that a plan writes."""

    plan: BuildPlan
    client: RegistryClient
    overlays: Mapping[str, Path]
    """The folder of each overlay, by its name."""
    bases: Sequence[BaseSource] = ()
    """The source of each architecture's first image."""
    engines: Mapping[Architecture, ImageBuilder] = field(default_factory=dict)
    """The connected engines; they know the digests of base images."""
    request: Mapping[str, object] = field(default_factory=dict)
    """The user's request, as plain data."""
    signing: SigningKey | None = None
    """Signs the statements; None leaves them unsigned."""

    def require_known(
        self, step: IndexStep, index: ComposedIndex, current: ImageIndex | None
    ) -> None:
        """Check that every entry that stays in an index may be signed.

        :param current: the index that it replaces.
        :raises UnknownEntryError: one may not.
        """
        if self.signing is None or not index.others:
            return
        said = self.signing.earlier(self.client, step.repository, step.tag, current)
        for one in index.others:
            if not self.signing.knows(self.client, step.repository, one.digest, said):
                raise UnknownEntryError(
                    f"an entry that stays in it is not known to the signing key: {not_known(one)}"
                )

    def attest(
        self,
        step: IndexStep,
        index: ComposedIndex,
        current: ImageIndex | None,
        remotes: Mapping[tuple[str, Architecture], RegistryImage],
        engine_with: EngineWith,
    ) -> list[str]:
        """Write the attestations of an index and its members.

        The index itself is written before, without a tag: some registries take no statement
        about what they don't have.

        :param current: the index that it replaces.
        :param remotes: the run's images in the registry, by name and architecture.
        :returns: why some are missing, a sentence for each.
        :raises KollarmError: the registry or an engine refuses.
        """
        images = {
            one.target.architecture: one for one in self.plan.images if one.target.name == step.name
        }
        said = None
        if self.signing is not None:
            said = self.signing.earlier(self.client, step.repository, step.tag, current)
        self.client.put_manifest(step.repository, index.digest, index.content, OCI_INDEX)
        bills: dict[str, str] = {}
        if said is not None:
            bills = {
                one.digest: said.bills[one.digest]
                for one in index.others
                if one.digest in said.bills
            }
        missing = []
        for architecture, member in index.members.items():
            bill = self._bill(step, images[architecture], member, said, engine_with)
            if bill is not None:
                bills[member.digest] = bill
            else:
                missing.append(f"the image for {architecture} has no bill of materials")
        self._provenance(step, index, images, bills, remotes)
        return missing

    def lacks_bill(
        self, step: IndexStep, member: RegistryImage, current: ImageIndex | None
    ) -> bool:
        """Whether an image of an index has no bill of materials that counts."""
        said = None
        if self.signing is not None:
            said = self.signing.earlier(self.client, step.repository, step.tag, current)
        return self._existing_bill(step, member, said) is None

    def _existing_bill(
        self, step: IndexStep, member: RegistryImage, said: IndexProvenance | None
    ) -> str | None:
        signed = None if self.signing is None else said.bills if said else {}
        found, _ = verification.bill_of(self.client, step.repository, member.digest, signed)
        return found.digest if found else None

    def _bill(
        self,
        step: IndexStep,
        image: ImageStep,
        member: RegistryImage,
        said: IndexProvenance | None,
        engine_with: EngineWith,
    ) -> str | None:
        """See that an image has a bill of materials; returns its digest."""
        if (known := self._existing_bill(step, member, said)) is not None:
            return known
        there = engine_with(image, member)
        found = contents.read(*there) if there else None
        if found is None:
            return None
        system, packages = found
        document = spdx.document(
            image.target.reference,
            member.digest.partition(":")[2],
            packages,
            system=system,
        )
        content = json.dumps(document).encode()
        artifact.attach(
            self.client,
            step.repository,
            ArtifactSubject(member.digest, member.media_type, member.manifest_size),
            Artifact(spdx.MEDIA_TYPE, spdx.MEDIA_TYPE, content),
        )
        return digest_of(content)

    def _provenance(
        self,
        step: IndexStep,
        index: ComposedIndex,
        images: Mapping[Architecture, ImageStep],
        bills: Mapping[str, str],
        remotes: Mapping[tuple[str, Architecture], RegistryImage],
    ) -> None:
        subject = ArtifactSubject(index.digest, OCI_INDEX, len(index.content))
        predicate = statement.provenance(
            BUILD_TYPE,
            external={**self.request, "image": step.name, "tag": step.tag},
            internal={
                "kolla": self.plan.kolla_version,
                "keys": {str(one): image.target.key for one, image in images.items()},
                "members": {str(one): member.digest for one, member in index.members.items()},
                "others": [one.digest for one in index.others],
                "bills": dict(bills),
            },
            dependencies=list(self._dependencies(images.values(), remotes)),
        )
        name = f"{self.client.address}/{step.repository}"
        document = statement.statement(
            name, subject.digest.partition(":")[2], statement.PROVENANCE, predicate
        )
        payload, kind = json.dumps(document).encode(), statement.MEDIA_TYPE
        if self.signing is not None:
            key = self.signing.key
            payload, kind = signing.seal(key, statement.MEDIA_TYPE, payload), signing.ENVELOPE
            cosign.sign(self.client, step.repository, subject, payload, key)
        artifact.attach(
            self.client,
            step.repository,
            subject,
            Artifact(
                statement.MEDIA_TYPE, kind, payload, {artifact.PREDICATE: statement.PROVENANCE}
            ),
        )
        if self.signing is not None:
            finished = statement.finished(document)
            seen = SeenIndex(subject.digest, finished)
            self.signing.newest.note(f"{name}:{step.tag}", seen, own=True)

    def _dependencies(
        self,
        images: Iterable[ImageStep],
        remotes: Mapping[tuple[str, Architecture], RegistryImage],
    ) -> Iterator[dict[str, object]]:
        seen: set[str] = set()
        for name in self.plan.overlays:
            content = keys.context_digests(self.overlays[name])
            yield statement.dependency(
                f"urn:kollarm:overlay:{name}", name=name, sha256=full_digest(content)
            )
        for image in images:
            target = image.target
            if target.parent is None:
                for base in self.bases:
                    if base.architecture is target.architecture:
                        engine = self.engines.get(base.architecture)
                        local = engine.image(base.reference) if engine is not None else None
                        yield statement.dependency(
                            base.reference,
                            name="base",
                            sha256=local.id.partition(":")[2] if local is not None else "",
                            architecture=str(base.architecture),
                            key=base.key,
                        )
            else:
                parent = next(
                    one.target
                    for one in self.plan.images
                    if (one.target.name, one.target.architecture)
                    == (target.parent, target.architecture)
                )
                remote = remotes.get((parent.name, parent.architecture))
                yield statement.dependency(
                    parent.reference,
                    name=parent.name,
                    sha256=remote.digest.partition(":")[2] if remote is not None else "",
                    architecture=str(parent.architecture),
                    key=parent.key,
                )
            rendered = target.rendered
            for source in rendered.sources:
                if source.enabled and source.name not in seen:
                    seen.add(source.name)
                    yield dependency_of(source, built=image.action is BuildAction.BUILD)


def dependency_of(source: ImageSource, *, built: bool) -> dict[str, object]:
    """A source with its digest or commit.

    :param built: it was fetched, by this run or an earlier one.
    """
    sha256, commit = source.sha256 or "", ""
    if source.kind == "local":
        path = Path(source.location)
        if path.exists():
            content = keys.context_digests(path) if path.is_dir() else {}
            sha256 = full_digest(content) if content else file_digest(path)
    elif built and (fetched := sources.fetch(source)) is not None:
        if source.kind == "git":
            commit = run(["git", "-C", fetched, "rev-parse", "HEAD"]).stdout.strip()
        else:
            sha256 = file_digest(fetched)
    return statement.dependency(
        source.shown, name=source.name, sha256=sha256, git=commit,
        **({"reference": source.reference} if source.reference else {}),
    )  # fmt: skip
