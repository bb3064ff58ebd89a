"""Removing what earlier builds left in the registry, and what no tagged index names.

A build pushes each member under ``TAG-ARCHITECTURE`` and writes an index over them.  When the
next build moves the tag, the index before it stays in the registry without a tag, and so do
its members and attestations; where a tag isn't built any more, the tags of its members stay.

Never removed: an index with a tag, whatever an index with a tag names, a tag of a form that
kollarm doesn't write, and members of the configuration's own tag, whose index another machine
may be about to write.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from core import progress
from core.attestation import artifact
from core.config.model import Architecture
from core.oci.manifest import Manifest, is_digest
from core.oci.registry import RegistryClient
from core.text_output import joined_lines

_MEMBER = re.compile(rf"(.+)-(?:{'|'.join(Architecture)})")
_ATTESTATION = re.compile(r"(sha256)-([0-9a-f]{64})(?:\.sig|\.att)?")


class PruneReason(StrEnum):
    """Why something is removed."""

    MEMBER = "no index names this image"
    INDEX = "an index whose tag has moved to another"
    ATTESTATION = "attestations of an image or index that is removed or gone"


@dataclass(frozen=True)
class RegistryRemoval:
    """A manifest or index that is removed, with its tags."""

    repository: str
    digest: str
    tags: tuple[str, ...]
    reason: PruneReason

    def to_dict(self) -> dict[str, object]:
        return {
            "repository": self.repository,
            "digest": self.digest,
            "tags": list(self.tags),
            "reason": self.reason.name.lower(),
        }

    def to_text(self) -> str:
        names = f" ({', '.join(self.tags)})" if self.tags else ""
        return f"{self.repository}@{self.digest}{names}: {self.reason}"


@dataclass(frozen=True)
class PrunePlan:
    """What is removed from a registry, in this order."""

    registry: str
    removals: tuple[RegistryRemoval, ...]
    repositories: int
    """How many were looked through."""

    def to_dict(self) -> dict[str, object]:
        return {
            "registry": self.registry,
            "repositories": self.repositories,
            "removals": [one.to_dict() for one in self.removals],
        }

    def to_text(self) -> str:
        if not self.removals:
            return joined_lines(
                [f"{self.registry}: nothing to remove in {self.repositories} repositories"]
            )
        return joined_lines(
            [
                *(f"{self.registry}/{one.to_text()}" for one in self.removals),
                f"{len(self.removals)} to remove in {self.repositories} repositories",
            ]
        )


def plan(client: RegistryClient, repositories: Iterable[str], tag: str) -> PrunePlan:
    """What :func:`carry_out` would remove.

    :param repositories: the only ones that are looked at.
    :param tag: the configuration's, whose members stay.
    :raises RegistryError: the registry can't be reached, or a manifest is damaged.
    """
    names = sorted(set(repositories))
    removals: list[RegistryRemoval] = []
    with progress.current().step("look through the registry") as step:
        for name in names:
            step.note(name)
            removals += _Repository(client, name, tag).removals()
        step.note(f"{len(names)} repositories")
    return PrunePlan(client.address, tuple(removals), len(names))


def carry_out(client: RegistryClient, chosen: PrunePlan) -> None:
    """Delete what a plan names.

    :raises RegistryError: the registry refuses it; what was deleted by then stays deleted.
    """
    for one in chosen.removals:
        client.delete_manifest(one.repository, one.digest)


class _Repository:
    """A repository as it is, and what of it nothing needs."""

    def __init__(self, client: RegistryClient, name: str, tag: str):
        self.client, self.name = client, name
        self.tags: dict[str, Manifest] = {}
        for each in client.tags(name):
            if (manifest := client.manifest(name, each)) is not None:
                self.tags[each] = manifest
        self._known: dict[str, Manifest | None] = {one.digest: one for one in self.tags.values()}
        attestations = {each for each in self.tags if _ATTESTATION.fullmatch(each)}
        members = {
            each
            for each, manifest in self.tags.items()
            if (form := _MEMBER.fullmatch(each)) and form[1] != tag and not manifest.is_index
        }
        self.needed = self._named_by(
            manifest
            for each, manifest in self.tags.items()
            if each not in attestations and each not in members
        )
        """The digests of what has another tag, of what an index with a tag names, and of their
        attestations."""
        self.leftover_members = {self.tags[each].digest for each in members}
        self.attested: dict[str, list[str]] = defaultdict(list)
        """The tags with attestations of each thing that nothing needs."""
        for each in attestations:
            self.attested[_subject(each)].append(each)
        for subject in [one for one in self.attested if self._is_about_needed(one)]:
            self.needed |= self._named_by(self.tags[each] for each in self.attested.pop(subject))

    def _manifest(self, digest: str) -> Manifest | None:
        """A manifest by its digest; those that were seen aren't fetched again."""
        if digest not in self._known:
            self._known[digest] = self.client.manifest(self.name, digest)
        return self._known[digest]

    def _is_about_needed(self, digest: str) -> bool:
        """Whether something is needed, or refers to what is, as an attestation does."""
        seen: set[str] = set()
        while digest not in self.needed and digest not in seen:
            seen.add(digest)
            manifest = self._manifest(digest)
            if manifest is not None and is_digest(manifest.subject):
                digest = str(manifest.subject)
        return digest in self.needed

    def _named_by(self, manifests: Iterable[Manifest]) -> set[str]:
        """The digests of manifests and of all that they list, through indices of indices."""
        found: set[str] = set()
        rest = list(manifests)
        while rest:
            manifest = rest.pop()
            if manifest.digest in found:
                continue
            found.add(manifest.digest)
            if manifest.is_index:
                for entry in manifest.descriptors("manifests"):
                    nested = self._manifest(entry["digest"])
                    rest += [nested] if nested is not None else []
        return found

    def removals(self) -> Iterator[RegistryRemoval]:
        """What nothing needs.

        An index comes after its members, and the tags of attestations after what these are
        about: what an interrupted run leaves is found by the next one.
        """
        chosen: dict[str, PruneReason] = {}
        indices = []
        for subject in self.attested:
            manifest = self._manifest(subject)
            if manifest is not None and manifest.is_index:
                indices.append(manifest)
            elif manifest is not None:
                chosen[subject] = PruneReason.MEMBER
        chosen |= dict.fromkeys(self._named_by(indices), PruneReason.MEMBER)
        chosen |= dict.fromkeys(self.leftover_members, PruneReason.MEMBER)
        for manifest in indices:
            chosen.pop(manifest.digest, None)
        chosen |= {manifest.digest: PruneReason.INDEX for manifest in indices}
        attached = {
            one["digest"]: PruneReason.ATTESTATION
            for digest in {*chosen, *self.attested}
            for one in artifact.referrers(self.client, self.name, digest)
        }
        tagged = {
            self.tags[each].digest: PruneReason.ATTESTATION
            for tags in self.attested.values()
            for each in tags
        }
        names = self._tags_by_digest()
        for digest, reason in (chosen | attached | tagged).items():
            # whoever may push can also list in a removed index what another one needs
            if digest not in self.needed:
                yield RegistryRemoval(self.name, digest, names.get(digest, ()), reason)

    def _tags_by_digest(self) -> Mapping[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        for tag, manifest in self.tags.items():
            found[manifest.digest] = (*found.get(manifest.digest, ()), tag)
        return found


def _subject(tag: str) -> str:
    """The digest that an attestation's tag stands for."""
    form = _ATTESTATION.fullmatch(tag)
    assert form is not None
    return f"{form[1]}:{form[2]}"
