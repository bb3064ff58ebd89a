"""Images that can't be prepared, and which obstacle is found in each."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.errors import UnusableInput
from guestprep.facts import BootLoader, GuestFacts
from guestprep.parse.grub import BootEntry
from guestprep.plan.preconditions import Obstacle, check, find_obstacles
from guestprep.spec import PreparationPart, PreparationSpec
from tests.support.guest_facts import UBUNTU_18_04, a_kernel, an_initramfs

EVERYTHING = PreparationSpec()


def obstacles(facts: GuestFacts, spec: PreparationSpec = EVERYTHING) -> list[Obstacle]:
    return [obstacle for obstacle, _ in find_obstacles(facts, spec)]


def of_architecture(architecture: str) -> GuestFacts:
    return replace(UBUNTU_18_04, architecture=architecture, kernels=(a_kernel(initramfs=None),))


def with_initramfs(*, fault: str | None = None, programs: tuple[str, ...] = ()) -> GuestFacts:
    initramfs = replace(an_initramfs("virtio"), fault=fault, programs=programs)
    return replace(UBUNTU_18_04, kernels=(a_kernel(initramfs=initramfs),))


@pytest.mark.parametrize(
    ("facts", "obstacle"),
    [
        (of_architecture("x86_64"), Obstacle.ARCHITECTURE),
        (of_architecture(""), Obstacle.ARCHITECTURE),
        (replace(UBUNTU_18_04, uefi=""), Obstacle.NO_LOADER),
        (replace(UBUNTU_18_04, distribution="gentoo"), Obstacle.DISTRIBUTION),
        (replace(UBUNTU_18_04, kernels=()), Obstacle.NO_KERNEL),
        (replace(UBUNTU_18_04, grub=None), Obstacle.NO_MENU),
        (with_initramfs(fault="cut short"), Obstacle.UNREADABLE_INITRAMFS),
        (with_initramfs(programs=("aarch64", "x86_64")), Obstacle.FOREIGN_INITRAMFS),
    ],
)
def test_an_image_that_cannot_be_prepared(facts: GuestFacts, obstacle: Obstacle) -> None:
    assert obstacles(facts) == [obstacle]


def test_an_image_that_can_be_prepared() -> None:
    assert obstacles(UBUNTU_18_04) == []
    check(UBUNTU_18_04, EVERYTHING)


def test_an_obstacle_to_other_parts_alone_does_not_count() -> None:
    facts = replace(UBUNTU_18_04, distribution="gentoo", kernels=(), grub=None)
    assert obstacles(facts, PreparationSpec(parts=(PreparationPart.CLEAN,))) == []


def test_all_obstacles_are_reported_at_once() -> None:
    facts = replace(of_architecture("x86_64"), distribution="gentoo", grub=None)
    with pytest.raises(UnusableInput) as caught:
        check(facts, EVERYTHING)
    assert "x86_64" in caught.value.message
    assert "architecture: x86_64" in (caught.value.hint or "")
    lines = (caught.value.details or "").splitlines()
    assert [line.partition(":")[0] for line in lines] == [
        Obstacle.DISTRIBUTION,
        Obstacle.NO_MENU,
    ]


ENTRIES = tuple(
    BootEntry("Debian", "/linux", words, (), 0, path=f"/efi/loader/entries/{name}.conf")
    for name, words in (("usual", ("ro",)), ("repair", ("single",)))
)
UNIFIED = "EFI/Linux/debian.efi"


@pytest.mark.parametrize(
    ("started", "obstacle"),
    [
        (ENTRIES[0].path, []),
        (ENTRIES[1].path, [Obstacle.REPAIRS]),
        (UNIFIED, [Obstacle.UNIFIED]),
    ],
)
def test_what_systemd_boot_starts_by_itself_counts(started: str, obstacle: list[Obstacle]) -> None:
    facts = replace(
        UBUNTU_18_04,
        grub=None,
        loader=BootLoader.SYSTEMD_BOOT,
        loader_entries=ENTRIES,
        unified=(UNIFIED,),
        started=started,
    )
    assert obstacles(facts) == obstacle
    assert obstacles(facts, PreparationSpec(parts=(PreparationPart.CLEAN,))) == []


def test_what_grub_starts_by_itself_counts() -> None:
    assert UBUNTU_18_04.grub is not None
    facts = replace(UBUNTU_18_04, grub=replace(UBUNTU_18_04.grub, repairs="recovery"))
    assert obstacles(facts) == [Obstacle.REPAIRS]
    assert obstacles(facts, PreparationSpec(parts=(PreparationPart.CLEAN,))) == []


def test_unified_images_that_grub_does_not_start_are_no_obstacle() -> None:
    assert obstacles(replace(UBUNTU_18_04, unified=(UNIFIED,))) == []
    assert obstacles(replace(UBUNTU_18_04, grub=None, unified=(UNIFIED,))) == [Obstacle.UNIFIED]
