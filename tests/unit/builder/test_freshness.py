"""What a refresh builds again, and what stays in an index: pure functions over facts."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from builder import freshness
from builder.base_image import BaseSource
from builder.facts import ExistingImages
from builder.freshness import Freshness
from builder.plan import BuildAction, BuildPlan, make_plan
from builder.reasons import BuildReason
from builder.targets import Target
from core.config.model import Architecture
from core.errors import ConfigError
from core.oci.model import RegistryImage
from tests.support.build_targets import remote, target

X86, ARM = Architecture.X86_64, Architecture.AARCH64
LIMIT = datetime(2026, 6, 1, tzinfo=UTC)
OLD, NEW = "2026-05-01T12:00:00.123456789Z", "2026-06-02T12:00:00Z"
TEXT = "FROM kollarm.invalid/rendered/base:rendered\nRUN a \\\n    && b\nUSER c\n"


def with_history(goal: Target, *own: str, parent: RegistryImage | None = None) -> RegistryImage:
    above = parent or replace(remote(goal), diff_ids=(), history=("2020-01-01T00:00:00Z",))
    return replace(
        remote(goal),
        diff_ids=(*above.diff_ids, f"sha256:{goal.name}"),
        history=(*above.history, *own),
    )


@pytest.mark.parametrize(
    ("text", "hours"), [("12h", 12), ("7d", 7 * 24), ("2w", 14 * 24), ("0d", 0)]
)
def test_ages_as_they_are_written(text: str, hours: int) -> None:
    assert freshness.age(text) == timedelta(hours=hours)


@pytest.mark.parametrize("text", ["7", "d", "1m", "-1d", "1.5d", ""])
def test_what_is_no_age(text: str) -> None:
    with pytest.raises(ConfigError, match="age"):
        freshness.age(text)


def test_only_an_images_own_steps_count_and_the_oldest_of_them() -> None:
    # the label at the end of what is built is a step too
    assert freshness.oldest_step([OLD, NEW, NEW, NEW], TEXT) == datetime(2026, 6, 2, 12, tzinfo=UTC)
    found = freshness.oldest_step([OLD, OLD, NEW, NEW], TEXT)
    assert found is not None and found < LIMIT
    assert freshness.oldest_step(["", NEW, NEW], TEXT) is None
    assert freshness.oldest_step([NEW], TEXT) is None


def refreshed(remotes: dict[Target, RegistryImage]) -> BuildPlan:
    existing = ExistingImages(
        {(t.name, t.architecture): found for t, found in remotes.items()}, {}, {}
    )
    return make_plan(
        list(remotes),
        existing,
        release="2026.1",
        kolla_version="22.2.0",
        registry="127.0.0.1:5055",
        tag="2026.1",
        bases=[BaseSource(X86, "debian:trixie", "k")],
        fresh=Freshness(LIMIT, datetime(2026, 7, 1, tzinfo=UTC)),
    )


def test_a_refresh_builds_what_is_old_and_its_descendants() -> None:
    base, compute_base = target("base", X86), target("nova-base", X86)
    cron, compute = target("cron", X86), target("nova-compute", X86)
    fresh = with_history(base, NEW)
    old = with_history(compute_base, OLD, parent=fresh)
    plan = refreshed(
        {
            base: fresh,
            cron: with_history(cron, NEW, parent=fresh),
            compute_base: old,
            compute: with_history(compute, NEW, parent=old),
        }
    )
    assert {step.target.name: step.action for step in plan.images} == {
        "base": BuildAction.KEEP,
        "cron": BuildAction.KEEP,
        "nova-base": BuildAction.BUILD,
        "nova-compute": BuildAction.BUILD,
    }
    assert all(step.rebuild for step in plan.images if step.action is BuildAction.BUILD)
    assert plan.images[2].reason is BuildReason.OLD_PACKAGES
    assert "2026-05-01" in plan.images[2].detail
    assert plan.images[3].reason is BuildReason.PARENT_REBUILT
    assert plan.bases[0].rebuild is False


def test_dates_after_this_machines_clock_say_nothing_of_an_age() -> None:
    base = target("base", X86)
    plan = refreshed({base: with_history(base, "2026-08-01T00:00:00Z")})
    assert plan.images[0].action is BuildAction.BUILD
    assert plan.images[0].reason is BuildReason.CLOCK_BEHIND


def test_a_refresh_of_base_takes_a_new_root() -> None:
    base = target("base", X86)
    plan = refreshed({base: with_history(base, OLD)})
    assert plan.images[0].rebuild
    assert plan.bases[0].rebuild


def test_what_a_killed_refresh_left_on_an_old_parent_is_found() -> None:
    base, cron = target("base", X86), target("cron", X86)
    fresh = with_history(base, NEW)
    before = replace(fresh, diff_ids=("sha256:before",))
    plan = refreshed({base: fresh, cron: with_history(cron, NEW, parent=before)})
    assert [step.action for step in plan.images] == [BuildAction.KEEP, BuildAction.BUILD]
    assert plan.images[1].reason is BuildReason.OLD_PARENT
