"""Selection and planning: pure functions over facts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from builder import index
from builder.facts import EngineImage, ExistingImages, ImageSource
from builder.kolla.releases import spans
from builder.plan import BuildAction, BuildPlan, make_plan, select
from builder.reasons import BuildReason
from builder.targets import Target
from core.config.model import Architecture
from core.errors import ConfigError
from core.oci.model import ImageIndex, IndexEntry, RegistryImage
from core.oci.registry import OCI_INDEX
from tests.support.build_targets import remote, target, tree

X86, ARM = Architecture.X86_64, Architecture.AARCH64


def joined(members: dict[Architecture, RegistryImage]) -> ImageIndex:
    entries = tuple(
        IndexEntry(m.digest, m.media_type, m.manifest_size, m.os, m.architecture)
        for m in members.values()
    )
    return ImageIndex(index.compose(members).digest, OCI_INDEX, entries)


def plan(targets: list[Target], existing: ExistingImages, *, force: bool = False) -> BuildPlan:
    return make_plan(
        targets,
        existing,
        release="2026.1",
        kolla_version="22.2.0",
        registry="127.0.0.1:5055",
        tag="2026.1",
        force=force,
    )


def test_selection_brings_the_parents_first() -> None:
    chosen, left_out = select(
        {X86: tree(X86), ARM: tree(ARM)}, {key: ["nova-.*", "cron"] for key in (X86, ARM)}
    )
    assert chosen[ARM] == ["base", "nova-base", "nova-compute", "cron"]
    assert left_out == []


def test_a_name_is_no_pattern_for_longer_names() -> None:
    chosen, _ = select({X86: tree(X86)}, {X86: ["nova-base"]})
    assert chosen[X86] == ["base", "nova-base"]


def test_an_unknown_image_is_met_with_a_guess() -> None:
    with pytest.raises(ConfigError) as caught:
        select(
            {X86: tree(X86), ARM: tree(ARM)},
            {key: ["nova-compote", "cron"] for key in (X86, ARM)},
        )
    (fault,) = caught.value.faults
    assert fault.hint is not None and "nova-compute" in fault.hint


def test_descendants_of_the_unbuildable_are_left_out() -> None:
    chosen, left_out = select({ARM: tree(ARM, ("nova-base",))}, {ARM: ["nova-compute", "cron"]})
    assert chosen[ARM] == ["base", "cron"]
    [note] = left_out
    assert "nova-compute" in note and "aarch64" in note


def test_nothing_to_do() -> None:
    targets = [target("base", X86), target("base", ARM)]
    members = {goal.architecture: remote(goal) for goal in targets}
    existing = ExistingImages(
        {("base", a): m for a, m in members.items()}, {}, {"base": joined(members)}
    )
    made = plan(targets, existing)
    assert made.idle
    assert {step.action for step in made.images} == {BuildAction.KEEP}
    assert plan(targets, existing, force=True).images[0].action is BuildAction.BUILD


def test_a_changed_key_builds_its_architecture_and_the_index() -> None:
    targets = [target("base", X86), target("base", ARM)]
    members = {goal.architecture: remote(goal) for goal in targets}
    existing = ExistingImages(
        {("base", X86): members[X86], ("base", ARM): replace(remote(targets[1]), key="older")},
        {},
        {"base": joined(members)},
    )
    made = plan(targets, existing)
    assert [step.action for step in made.images] == [BuildAction.KEEP, BuildAction.BUILD]
    assert made.indices[0].action is BuildAction.WRITE
    assert made.images[1].reason is BuildReason.INPUTS_CHANGED


def test_a_lost_index_alone_is_written_without_a_build() -> None:
    goal = target("base", X86)
    made = plan([goal], ExistingImages({("base", X86): remote(goal)}, {}, {}))
    assert made.images[0].action is BuildAction.KEEP
    assert made.indices[0].action is BuildAction.WRITE


def test_what_the_engine_has_is_pushed_only_if_it_is_right() -> None:
    goal = target("base", ARM)
    right = EngineImage("id", "arm64", goal.key)
    existing = ExistingImages({}, {("base", ARM): right}, {})
    assert plan([goal], existing).images[0].action is BuildAction.PUSH
    wrong = ExistingImages({}, {("base", ARM): replace(right, architecture="amd64")}, {})
    assert plan([goal], wrong).images[0].action is BuildAction.BUILD


def test_a_tag_with_the_wrong_architecture_is_built_again() -> None:
    goal = target("base", ARM)
    existing = ExistingImages({("base", ARM): replace(remote(goal), architecture="amd64")}, {}, {})
    assert plan([goal], existing).images[0].action is BuildAction.BUILD


def test_the_plan_as_text_and_json() -> None:
    goal = target("base", ARM)
    made = plan([goal], ExistingImages({}, {}, {}))
    assert "build base" in made.to_text()
    document = made.to_dict()
    assert document["images"] == [
        {
            "image": "base",
            "architecture": "aarch64",
            "reference": "127.0.0.1:5055/kolla/base:2026.1-aarch64",
            "parent": None,
            "key": "k-base-aarch64",
            "action": "build",
            "reason": BuildReason.NOT_IN_REGISTRY.value,
        }
    ]


def test_the_plan_names_what_tls_alone_vouches_for() -> None:
    unchecked = ImageSource("nova-base", "url", "https://tarballs.example/nova.tar.gz")
    checked = ImageSource("cron", "url", "https://tarballs.example/cron.tar.gz", sha256="0" * 64)
    goals = [target("base", ARM), target("cron", ARM), target("nova-base", ARM)]
    goals[1] = replace(goals[1], rendered=replace(goals[1].rendered, source=checked))
    goals[2] = replace(goals[2], rendered=replace(goals[2].rendered, source=unchecked))
    made = plan(goals, ExistingImages({}, {}, {}))
    assert made.to_dict()["unchecked_sources"] == ["nova-base"]
    assert "without a checksum" in made.to_text()
    kept = {(goal.name, ARM): remote(goal) for goal in goals}
    assert plan(goals, ExistingImages(kept, {}, {})).unchecked_sources == []


def test_an_index_refuses_the_wrong_member() -> None:
    x86, arm = remote(target("base", X86)), remote(target("base", ARM))
    assert index.faults({X86: x86, ARM: arm}) == []
    assert "linux/amd64" in index.faults({ARM: x86})[0]
    twins = {X86: x86, ARM: replace(arm, layers=x86.layers)}
    assert "same layers" in index.faults(twins)[0]


def test_the_same_members_give_the_same_index() -> None:
    x86, arm = remote(target("base", X86)), remote(target("base", ARM, "other"))
    assert index.compose({X86: x86, ARM: arm}) == index.compose({ARM: arm, X86: x86})


def test_releases_from_one_on() -> None:
    assert spans(["2025.1+"], "2025.1") and spans(["2025.1+"], "2026.2")
    assert not spans(["2025.1+"], "2024.2") and not spans(["2025.1+"], "rocky")
    assert spans(["rocky", "2026.1+"], "rocky") and not spans(["rocky", "2026.1+"], "train")
    assert not spans(["nonsense+"], "2026.1")
