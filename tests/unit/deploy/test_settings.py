"""Deployment settings: the hosts that a range names."""

from __future__ import annotations

import pytest

from deploy.settings import expand_range


@pytest.mark.parametrize(
    ("pattern", "expanded"),
    [
        ("one", ("one",)),
        ("c[01:03]", ("c01", "c02", "c03")),
        ("c[9:10].example", ("c9.example", "c10.example")),
        ("c[2:1]", ()),
    ],
)
def test_ranges(pattern: str, expanded: tuple[str, ...]) -> None:
    assert expand_range(pattern) == expanded
