"""Which replaced images go: those beyond every limit that nothing can need."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guestprep.publish import retention
from guestprep.publish.expiry import ExpiryAction
from guestprep.publish.model import SUCCESSOR, RemoteImage
from guestprep.publish.retention import ServersSeen, Sight
from tests.support.glance_images import image, without

NOW = datetime(2026, 6, 1, tzinfo=UTC)
ALL = ServersSeen(Sight.ALL)


def old(number: int, *, age: float = 100, **settings: Any) -> RemoteImage:
    """A replaced image, changed some days ago."""
    stamp = (NOW - timedelta(days=age)).isoformat().replace("+00:00", "Z")
    made = image(number, hidden=True, updated_at=stamp, **settings)
    return without(made, **{SUCCESSOR: "id9"})


@given(
    count=st.integers(0, 8),
    keep=st.none() | st.integers(0, 9),
    days=st.none() | st.integers(0, 50),
    ages=st.lists(st.floats(0, 100), min_size=8, max_size=8),
)
def test_what_a_limit_protects_stays(
    count: int, keep: int | None, days: int | None, ages: list[float]
) -> None:
    images = [old(number + 1, age=ages[number]) for number in range(count)]
    steps, _ = retention.decide(images, keep, days, ALL, NOW)
    gone = {step.image_id for step in steps}
    latest = [one.id for one in reversed(images)]
    if keep is None and days is None:
        assert not gone
    assert gone.isdisjoint(latest[: keep or 0])
    assert gone.isdisjoint(f"id{n + 1}" for n in range(count) if ages[n] < (days or 0))
    assert all(step.action is ExpiryAction.DEACTIVATE for step in steps)


@pytest.mark.parametrize(("age", "goes"), [(0.5, False), (1.5, True)])
def test_a_deactivated_image_is_deleted_a_day_later(age: float, goes: bool) -> None:
    steps, _ = retention.decide([old(1, age=age, status="deactivated")], 0, None, ALL, NOW)
    assert [step.action for step in steps] == ([ExpiryAction.DELETE] if goes else [])


@pytest.mark.parametrize(
    ("seen", "visibility", "stays"),
    [
        (ServersSeen(Sight.ALL, frozenset({"id1"})), "public", True),
        (ServersSeen(Sight.OWN), "public", True),
        (ServersSeen(Sight.OWN), "private", False),
        (ServersSeen(Sight.OWN, frozenset({"id1"})), "private", True),
        (ServersSeen(Sight.NONE), "private", True),
    ],
)
@pytest.mark.parametrize("status", ["active", "deactivated"])
def test_what_may_be_in_use_stays_and_is_told(
    seen: ServersSeen, visibility: str, stays: bool, status: str
) -> None:
    images = [old(1, visibility=visibility, status=status)]
    steps, notes = retention.decide(images, 0, 0, seen, NOW)
    assert (not steps, bool(notes)) == (stays, stays)


def test_snapshots_are_nobodys_replaced_images() -> None:
    snapshot = without(old(1), base_image_ref="id0", image_type="snapshot")
    assert retention.replaced([snapshot, old(2)]) == [old(2)]
