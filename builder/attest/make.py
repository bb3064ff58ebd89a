"""Attesting an index: its statements are made and written before the index itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from builder import keys
from builder.attest import artifact, contents, cosign
from builder.attest.artifact import Artifact, ArtifactSubject
from builder.base_image import BaseSource
from builder.engines.protocol import ImageBuilder
from builder.facts import ImageSource
from builder.index import ComposedIndex
from builder.kolla import sources
from builder.plan import BuildAction, BuildPlan, ImageStep, IndexStep
from core.attestation import signing, spdx, statement
from core.cache import file_digest, full_digest
from core.config.model import Architecture
from core.oci.model import RegistryImage
from core.oci.registry import OCI_INDEX, RegistryClient
from core.run import run

BUILD_TYPE = "urn:kollarm:kolla-index:1"


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
    key: signing.Key | None = None
    """Signs the statements; None leaves them unsigned."""

    def attest(
        self,
        step: IndexStep,
        index: ComposedIndex,
        engine_with: Callable[[ImageStep], ImageBuilder | None],
    ) -> None:
        """Write the attestations of an index and its members.

        :param engine_with: gives an engine that can read an image's files; None where there
            is none.
        :raises KollarmError: the registry or an engine refuses.
        """
        images = {
            one.target.architecture: one for one in self.plan.images if one.target.name == step.name
        }
        for architecture, member in index.members.items():
            self._bill(step, images[architecture], member, engine_with)
        self._provenance(step, index, images)

    def _bill(
        self,
        step: IndexStep,
        image: ImageStep,
        member: RegistryImage,
        engine_with: Callable[[ImageStep], ImageBuilder | None],
    ) -> None:
        known = artifact.referrers(self.client, step.repository, member.digest)
        if any(one.get("artifactType") == spdx.MEDIA_TYPE for one in known):
            return
        engine = engine_with(image)
        found = contents.read(engine, image.target.reference) if engine else None
        if found is None:
            return
        distribution, packages = found
        sha256 = member.digest.partition(":")[2]
        document = spdx.document(
            image.target.reference, sha256, packages, distribution=distribution
        )
        artifact.attach(
            self.client,
            step.repository,
            ArtifactSubject(member.digest, member.media_type, member.manifest_size),
            Artifact(spdx.MEDIA_TYPE, spdx.MEDIA_TYPE, json.dumps(document).encode()),
        )

    def _provenance(
        self, step: IndexStep, index: ComposedIndex, images: Mapping[Architecture, ImageStep]
    ) -> None:
        subject = ArtifactSubject(index.digest, OCI_INDEX, len(index.content))
        predicate = statement.provenance(
            BUILD_TYPE,
            external={**self.request, "image": step.name, "tag": step.tag},
            internal={
                "kolla": self.plan.kolla_version,
                "keys": {str(one): image.target.key for one, image in images.items()},
                "members": {str(one): member.digest for one, member in index.members.items()},
            },
            dependencies=list(self._dependencies(images.values())),
        )
        name = f"{self.client.address}/{step.repository}"
        document = statement.statement(
            name, subject.digest.partition(":")[2], statement.PROVENANCE, predicate
        )
        payload, kind = json.dumps(document).encode(), statement.MEDIA_TYPE
        if self.key is not None:
            payload, kind = signing.seal(self.key, statement.MEDIA_TYPE, payload), signing.ENVELOPE
            cosign.sign(self.client, step.repository, subject, payload, self.key)
        artifact.attach(
            self.client,
            step.repository,
            subject,
            Artifact(
                statement.MEDIA_TYPE, kind, payload, {artifact.PREDICATE: statement.PROVENANCE}
            ),
        )

    def _dependencies(self, images: Iterable[ImageStep]) -> Iterator[dict[str, object]]:
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
                remote = self.client.image(parent.repository, parent.tag)
                yield statement.dependency(
                    parent.reference,
                    name=parent.name,
                    sha256=remote.digest.partition(":")[2] if remote is not None else "",
                    architecture=str(parent.architecture),
                    key=parent.key,
                )
            rendered = target.rendered
            for source in (rendered.source, *rendered.plugins, *rendered.additions):
                if source is not None and source.enabled and source.name not in seen:
                    seen.add(source.name)
                    yield _source(source, built=image.action is BuildAction.BUILD)


def _source(source: ImageSource, *, built: bool) -> dict[str, object]:
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
        source.location, name=source.name, sha256=sha256, git=commit,
        **({"reference": source.reference} if source.reference else {}),
    )  # fmt: skip
