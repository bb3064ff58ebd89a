"""Whom cloud-init asks for a guest's data."""

from __future__ import annotations

import pytest

from guestprep.parse.cloudcfg import datasources


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        ([], None),
        (["datasource_list: [OpenStack, None]"], ("OpenStack", "None")),
        (["datasource_list: [OpenStack]", "datasource_list: [None]"], ("None",)),
        (["datasource_list: [OpenStack]", "other: 1"], ("OpenStack",)),
        (["datasource_list: OpenStack", "- a", "{", "", "1"], None),
        (["datasource_list: []"], ()),
    ],
)
def test_the_last_list_wins(texts: list[str], found: tuple[str, ...] | None) -> None:
    assert datasources(texts) == found
