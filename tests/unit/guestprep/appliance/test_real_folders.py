"""Folders in a guest without links, with few questions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import pytest

from guestprep.appliance import Appliance, GuestCallError
from guestprep.appliance.real_folders import RealFolders

#: What is in each folder: names with the types that readdir gives.
TREE = {
    "/": {"usr": "d", "lib": "l", "etc": "d", "odd": "u", "gone": "l"},
    "/usr": {"lib": "d"},
    "/usr/lib": {"modules": "d"},
    "/usr/lib/modules": {"6.1": "d"},
    "/usr/lib/modules/6.1": {"kernel": "d", "modules.dep": "r"},
    "/usr/lib/modules/6.1/kernel": {"fs": "d"},
    "/etc": {"modules-load.d": "l"},
    "/opt/ml": {},
    "/odd": {"inside": "d"},
}
LINKS = {"/lib": "/usr/lib", "/etc/modules-load.d": "/opt/ml", "/odd": "/odd"}


class StandIn:
    """An appliance with this tree, which counts the questions."""

    def __init__(self, tree: Mapping[str, Mapping[str, str]]):
        self.tree = tree
        self.asked: list[tuple[str, str]] = []

    def call(self, method: str, path: str) -> Any:
        self.asked.append((method, path))
        if method == "realpath":
            if path not in LINKS:
                raise GuestCallError(method, "no such file")
            return LINKS[path]
        return [{"name": name, "ftyp": kind} for name, kind in self.tree[path].items()]


@pytest.mark.parametrize(
    ("path", "real"),
    [
        ("/", "/"),
        ("/usr/lib", "/usr/lib"),
        ("/lib/modules/6.1/kernel", "/usr/lib/modules/6.1/kernel"),
        ("/lib/modules/6.2/kernel/fs", "/usr/lib/modules/6.2/kernel/fs"),
        ("/etc/modules-load.d", "/opt/ml"),
        ("/odd/inside", "/odd/inside"),
        ("/gone/x", "/gone/x"),
        ("/usr/lib/modules/6.1/modules.dep/x", "/usr/lib/modules/6.1/modules.dep/x"),
    ],
)
def test_links_are_followed_in_the_guest(path: str, real: str) -> None:
    assert RealFolders(cast(Appliance, StandIn(TREE)))(path) == real


def test_many_new_folders_take_few_questions() -> None:
    stand_in = StandIn(TREE)
    real = RealFolders(cast(Appliance, stand_in))
    for number in range(200):
        place = f"/lib/modules/6.1/kernel/drivers/net/{number}/deep"
        assert real(place) == f"/usr{place}"
    assert len(stand_in.asked) <= 7
    assert len(set(stand_in.asked)) == len(stand_in.asked)
