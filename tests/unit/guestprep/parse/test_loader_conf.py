"""systemd-boot's settings, and which entry it starts."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guestprep.parse import bls, loader_conf
from guestprep.parse.grub import BootEntry

FOLDER = "/efi/loader/entries"


def entry(name: str, *fields: str) -> BootEntry:
    found = bls.entry(f"{FOLDER}/{name}.conf", "\n".join(("linux /linux", *fields)))
    assert found is not None
    return found


def started(text: str, *entries: BootEntry) -> str:
    return loader_conf.started(entries, (), text).rpartition("/")[2].removesuffix(".conf")


OLD, NEW = entry("debian-6.9.1-arm64"), entry("debian-6.12.0-arm64")
RESCUE = entry("zz-rescue", "options single")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "zz-rescue"),
        ("default debian-*\n", "debian-6.12.0-arm64"),
        ("# default x\ndefault\tDebian-6.9.1-arm64.conf\ntimeout 3", "debian-6.9.1-arm64"),
        # Without its ending it names no entry, and what doesn't exist isn't started.
        ("default debian-6.9.1-arm64\n", "zz-rescue"),
        # What was started last is known to the firmware of the machine alone.
        ("default @saved\n", "zz-rescue"),
        ("default debian-6.9*\ndefault debian-6.12*\n", "debian-6.12.0-arm64"),
    ],
)
def test_the_default_of_the_settings(text: str, expected: str) -> None:
    assert started(text, OLD, NEW, RESCUE) == expected


def test_entries_with_a_sort_key_come_first() -> None:
    old = entry("zz", "sort-key debian", "version 6.9")
    new = entry("aa", "sort-key debian", "version 6.12")
    other = entry("bb", "sort-key zebra", "version 7")
    assert started("", RESCUE, old, other, new) == "aa"


def test_an_entry_that_failed_too_often_comes_last() -> None:
    assert started("", entry("b+0-3"), entry("a+2-1")) == "a+2-1"
    # Its counter is no part of its name.
    assert started("default b.conf", entry("b+0-3"), entry("a+2-1")) == "b+0-3"


def test_a_unified_image_may_come_before_the_entries() -> None:
    image = "EFI/Linux/debian-7+3.efi"
    assert loader_conf.started([OLD], [image], "") == image
    assert loader_conf.started([OLD], [image], "default debian-6*") == OLD.path
    assert loader_conf.started([OLD], [image], "default debian-7.efi") == image


def test_waiting_for_ever_becomes_waiting_a_little() -> None:
    text = "timeout menu-force\nconsole-mode keep\n"
    assert loader_conf.waits(text) and not loader_conf.waits("timeout 5\n")
    changed = loader_conf.rewrite(text)
    assert not loader_conf.waits(changed) and changed.endswith("\nconsole-mode keep\n")
    assert loader_conf.rewrite(changed) == changed


def test_versions_are_ordered_as_specified() -> None:
    # The example of the version format specification, the oldest first.
    # fmt: off
    versions = [
        "122.1", "123~rc1-1", "123", "123-a", "123-a.1", "123-1", "123-1.1", "123^post1",
        "123.a-1", "123.1-1", "123a-1", "124-1",
    ]
    # fmt: on
    for older, newer in pairwise(versions):
        assert loader_conf.compare_versions(older, newer) < 0, (older, newer)
        assert loader_conf.compare_versions(newer, older) > 0, (older, newer)


@given(st.text("0123456789.~^-+ab\x00é", max_size=12), st.text("0123456789.~^-+ab", max_size=12))
def test_any_two_versions_have_an_order(one: str, other: str) -> None:
    compare = loader_conf.compare_versions
    assert compare(one, one) == 0
    assert compare(one, other) == -compare(other, one)


@given(st.text("default timeout\t\n*[]!-+.conf0"), st.lists(st.text("ab+0-3.~^", max_size=8)))
def test_one_of_the_entries_is_started_whatever_they_say(text: str, names: list[str]) -> None:
    entries = [entry(name) for name in names]
    found = loader_conf.started(entries, (), text)
    assert (found in {entry.path for entry in entries}) if entries else found == ""
    assert not loader_conf.waits(loader_conf.rewrite(text))
