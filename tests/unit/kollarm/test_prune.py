"""Pruning never removes what an index with a tag, or a tag of another form, leads to."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from core.oci.manifest import OCI_INDEX, OCI_MANIFEST, Manifest, digest_of
from core.oci.registry import RegistryClient
from kollarm import prune
from kollarm.prune import PruneReason

TAG = "now"
ATTESTATION = re.compile(r"sha256-[0-9a-f]{64}(\.sig|\.att)?")

#: Numbers of manifests, each of which may refer to those before it.
references = st.lists(st.integers(0, 30), max_size=4)


@dataclass
class StoredRepository(RegistryClient):
    """One repository in memory, as a registry without a list of referrers has it."""

    manifests: list[Manifest] = field(default_factory=list)
    named: dict[str, Manifest] = field(default_factory=dict)
    address: str = "registry.example"

    def add(self, listed: list[int], subject: int | None, *, index: bool) -> None:
        chosen = [self.manifests[one % len(self.manifests)] for one in listed if self.manifests]
        document: dict[str, Any] = {"number": len(self.manifests)}
        if index:
            document["manifests"] = [
                {"digest": one.digest, "mediaType": one.media_type, "size": 1} for one in chosen
            ]
        if subject is not None and self.manifests:
            document["subject"] = {"digest": self.manifests[subject % len(self.manifests)].digest}
        content = json.dumps(document).encode()
        kind = OCI_INDEX if index else OCI_MANIFEST
        self.manifests.append(Manifest(content, kind, digest_of(content)))

    def tags(self, repository: str) -> list[str]:
        return sorted(self.named)

    def manifest(self, repository: str, reference: str) -> Manifest | None:
        known = {one.digest: one for one in self.manifests}
        return known.get(reference) or self.named.get(reference)

    def referrers(self, repository: str, digest: str) -> list[dict[str, Any]] | None:
        return None


@st.composite
def repositories(draw: st.DrawFn) -> StoredRepository:
    stored = StoredRepository()
    for _ in range(draw(st.integers(1, 15))):
        subject = draw(st.none() | st.integers(0, 30))
        stored.add(draw(references), subject, index=draw(st.booleans()))
    digests = [one.digest for one in stored.manifests] + [f"sha256:{'0' * 64}"]
    attestations = st.builds(
        lambda digest, suffix: digest.replace(":", "-") + suffix,
        st.sampled_from(digests),
        st.sampled_from(["", ".sig", ".att"]),
    )
    others = st.sampled_from(
        ["now", "old", "mine", "now-x86_64", "old-x86_64", "older-aarch64", "x86_64", "old-arm64"]
    )
    stored.named = draw(
        st.dictionaries(attestations | others, st.sampled_from(stored.manifests), max_size=8)
    )
    return stored


def reachable(stored: StoredRepository, starts: list[Manifest]) -> set[str]:
    found: set[str] = set()
    while starts:
        one = starts.pop()
        if one.digest not in found:
            found.add(one.digest)
            for entry in json.loads(one.content).get("manifests", []):
                nested = stored.manifest("", entry["digest"])
                starts += [nested] if nested else []
    return found


def is_removable(tag: str, manifest: Manifest) -> bool:
    """Whether a tag is of a form that kollarm writes beside those of indices."""
    member = tag.endswith(("-x86_64", "-aarch64")) and not tag.startswith(f"{TAG}-")
    return bool(ATTESTATION.fullmatch(tag)) or (member and manifest.media_type == OCI_MANIFEST)


@given(repositories())
def test_nothing_that_is_needed_is_removed(stored: StoredRepository) -> None:
    chosen = prune.plan(stored, ["kolla/x"], TAG)
    removed = {one.digest for one in chosen.removals}
    assert len(removed) == len(chosen.removals)
    kept = [one for tag, one in stored.named.items() if not is_removable(tag, one)]
    needed = reachable(stored, kept)
    assert not removed & needed
    attestations = [
        one
        for tag, one in stored.named.items()
        if ATTESTATION.fullmatch(tag) and f"sha256:{tag[7:71]}" in needed
    ]
    assert not removed & reachable(stored, attestations)


@given(repositories())
def test_members_of_other_tags_alone_go(stored: StoredRepository) -> None:
    chosen = prune.plan(stored, ["kolla/x"], TAG)
    for one in chosen.removals:
        assert all(is_removable(tag, stored.named[tag]) for tag in one.tags)
    indices = {one.digest for one in chosen.removals if one.reason is PruneReason.INDEX}
    assert not indices & {one.digest for tag, one in stored.named.items() if tag in ("now", "old")}
