"""The fallback loader, from the system's own."""

from __future__ import annotations

from dataclasses import replace

import pytest

from guestprep.parse.loaders import own_loader
from guestprep.plan.loader import add_fallback
from guestprep.plan.preconditions import Obstacle, find_obstacles
from guestprep.spec import PreparationSpec
from tests.support.guest_facts import UBUNTU_18_04

SHIM = ("EFI/debian/fbaa64.efi", "EFI/debian/grubaa64.efi", "EFI/debian/shimaa64.efi")


@pytest.mark.parametrize(
    ("loaders", "expected"),
    [
        (SHIM, "EFI/debian/shimaa64.efi"),
        (SHIM[:2], "EFI/debian/grubaa64.efi"),
        # shim alone starts nothing.
        (SHIM[2:], ""),
        (("EFI/systemd/systemd-bootaa64.efi",), "EFI/systemd/systemd-bootaa64.efi"),
        (("EFI/BOOT/grubaa64.efi", "EFI/Tools/shell.efi"), ""),
        ((), ""),
    ],
)
def test_the_loader_of_the_system(loaders: tuple[str, ...], expected: str) -> None:
    assert own_loader(loaders) == expected


def test_shim_comes_with_what_it_starts() -> None:
    facts = replace(UBUNTU_18_04, uefi="", esp="/boot/efi", loaders=SHIM)
    (step,) = add_fallback(facts)
    assert step.copies == {
        "EFI/BOOT/BOOTAA64.EFI": "EFI/debian/shimaa64.efi",
        "EFI/BOOT/grubaa64.efi": "EFI/debian/grubaa64.efi",
    }
    assert not list(find_obstacles(facts, PreparationSpec()))


def test_a_loader_that_is_there_is_left_alone() -> None:
    assert not add_fallback(replace(UBUNTU_18_04, esp="/boot/efi", loaders=SHIM))


def test_without_a_place_for_it_the_loaders_are_named() -> None:
    facts = replace(UBUNTU_18_04, uefi="", loaders=SHIM)
    ((obstacle, sentence),) = find_obstacles(facts, PreparationSpec())
    assert obstacle is Obstacle.NO_LOADER and "shimaa64.efi" in sentence
