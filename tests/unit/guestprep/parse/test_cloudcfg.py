"""Whom cloud-init asks for a guest's data."""

from __future__ import annotations

import pytest

from guestprep.parse.cloudcfg import datasources, network_left_alone


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


@pytest.mark.parametrize(
    ("texts", "alone"),
    [
        ([], False),
        (["network: {config: disabled}"], True),
        (["network: {config: disabled}", "network: {version: 2}"], False),
        (["network: disabled", "network: [a]"], False),
    ],
)
def test_networks_may_be_left_alone(texts: list[str], alone: bool) -> None:
    assert network_left_alone(texts) is alone
