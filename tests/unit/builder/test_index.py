"""Indices: what they list, in which order, and what stays in them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from builder import index
from builder.facts import ExistingImages
from builder.plan import BuildAction, IndexStep, make_plan
from core.config.model import Architecture
from core.oci.model import ImageIndex, IndexEntry
from core.oci.registry import OCI_INDEX, OCI_MANIFEST, digest_of
from tests.support.build_targets import remote, target

X86, ARM = Architecture.X86_64, Architecture.AARCH64
MEMBERS = {one: remote(target("base", one)) for one in Architecture}


def entry(content: str, **descriptor: Any) -> IndexEntry:
    """An entry as the registry has it."""
    platform = descriptor.setdefault("platform", {"architecture": "unknown", "os": "unknown"})
    whole: dict[str, Any] = {
        "mediaType": OCI_MANIFEST,
        "size": 5,
        "digest": digest_of(content.encode()),
    }
    whole |= descriptor
    return IndexEntry(
        digest=whole["digest"],
        media_type=whole["mediaType"],
        size=whole["size"],
        os=platform["os"],
        architecture=platform["architecture"],
        variant=platform.get("variant"),
        descriptor=whole,
    )


def joined(*entries: IndexEntry) -> ImageIndex:
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [dict(one.descriptor) for one in entries],
    }
    content = json.dumps(document, indent=2).encode()
    return ImageIndex(digest_of(content), OCI_INDEX, entries)


def member(architecture: Architecture) -> IndexEntry:
    [written] = json.loads(index.compose({architecture: MEMBERS[architecture]}).content)[
        "manifests"
    ]
    return replace(index.entry(MEMBERS[architecture]), descriptor=written)


def listed(composed: index.ComposedIndex) -> list[str]:
    return [one["digest"] for one in json.loads(composed.content)["manifests"]]


def step(current: ImageIndex, keep: tuple[str, ...] | None, unknown: str = "") -> IndexStep:
    """What a run that builds x86_64 alone plans."""
    [found] = make_plan(
        [target("base", X86)],
        ExistingImages({("base", X86): MEMBERS[X86]}, {}, {"base": current}, frozenset({unknown})),
        release="2026.1",
        kolla_version="22.2.0",
        registry="r",
        tag="t",
        keep=keep,
    ).indices
    return found


def test_one_machine_for_both_writes_what_two_machines_write() -> None:
    both = index.compose(MEMBERS)
    for one in Architecture:
        rest = next(a for a in Architecture if a is not one)
        assert index.compose({one: MEMBERS[one]}, joined(member(rest))).content == both.content


@pytest.mark.parametrize("keep", [None, ("arm64",)])
def test_other_architectures_stay(keep: tuple[str, ...] | None) -> None:
    both = joined(member(ARM), member(X86))
    assert index.compose({X86: MEMBERS[X86]}, both, keep).digest == both.digest
    planned = step(both, keep)
    assert planned.action is BuildAction.KEEP and "arm64 stays" in planned.detail


def test_other_architectures_go_if_asked() -> None:
    both = joined(member(ARM), member(X86))
    composed = index.compose({X86: MEMBERS[X86]}, both, ())
    assert listed(composed) == [MEMBERS[X86].digest]
    assert [one.digest for one in index.dropped(both, composed)] == [MEMBERS[ARM].digest]
    planned = step(both, ())
    assert planned.action is BuildAction.WRITE and planned.dropped == ("linux/arm64",)
    assert MEMBERS[ARM].digest in planned.detail


def test_an_architecture_that_nobody_here_builds_stays() -> None:
    power = entry("p", platform={"architecture": "ppc64le", "os": "linux"})
    windows = entry("w", platform={"architecture": "amd64", "os": "windows", "os.version": "10"})
    composed = index.compose(MEMBERS, joined(power, windows))
    assert {power.digest, windows.digest} < set(listed(composed))
    assert dict(windows.descriptor) in json.loads(composed.content)["manifests"]


def test_what_is_attached_stays_with_its_image() -> None:
    def attached(to: str) -> IndexEntry:
        notes = {
            "vnd.docker.reference.digest": to,
            "vnd.docker.reference.type": "attestation-manifest",
        }
        return entry(f"about {to}", annotations=notes)

    old = replace(MEMBERS[X86], digest=digest_of(b"older"))
    of_arm, of_x86, of_old = (attached(one.digest) for one in (MEMBERS[ARM], MEMBERS[X86], old))
    general = entry("of the index")
    before = joined(member(ARM), index.entry(old), of_arm, of_x86, of_old, general)
    composed = index.compose({X86: MEMBERS[X86]}, before)
    assert set(listed(composed)) == {
        MEMBERS[ARM].digest, MEMBERS[X86].digest, of_arm.digest, of_x86.digest, general.digest,
    }  # fmt: skip
    assert dict(of_arm.descriptor) in json.loads(composed.content)["manifests"]
    assert set(listed(index.compose({X86: MEMBERS[X86]}, before, ()))) == {MEMBERS[X86].digest}


def test_annotations_of_a_member_stay_with_it() -> None:
    noted = member(ARM)
    descriptor = dict(noted.descriptor) | {"annotations": {"a": "b"}}
    before = joined(replace(noted, descriptor=descriptor), member(X86))
    assert index.compose(MEMBERS, before).digest == before.digest
    newer = MEMBERS | {ARM: replace(MEMBERS[ARM], digest=digest_of(b"newer"))}
    assert b"annotations" not in index.compose(newer, before).content


def test_annotations_of_the_index_stay() -> None:
    before = replace(joined(member(ARM)), annotations={"org.opencontainers.image.title": "x"})
    document = json.loads(index.compose(MEMBERS, before).content)
    assert document["annotations"] == before.annotations


def test_an_entry_that_the_key_does_not_know_is_refused() -> None:
    stale = replace(MEMBERS[X86], digest=digest_of(b"older"))
    both = joined(member(ARM), index.entry(stale))
    planned = step(both, None, unknown=MEMBERS[ARM].digest)
    assert planned.action is BuildAction.REFUSE and MEMBERS[ARM].digest in planned.detail
    assert step(both, (), unknown=MEMBERS[ARM].digest).action is BuildAction.WRITE
