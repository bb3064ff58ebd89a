"""Guests of x86_64: consoles and the clean-up, no driver, started by a BIOS or UEFI."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.config.base import Architecture
from core.config.model import Guest, GuestSource
from guestprep.default_archives import archives
from guestprep.facts import DriverLocation, Leftovers
from guestprep.inspect.identify import starts_by_bios, uefi_loader
from guestprep.parse.dpkg import parse_status
from guestprep.plan.make import make_plan
from guestprep.plan.model import CleanStep, FileStep, GrubStep, PreparationStep
from guestprep.plan.preconditions import Obstacle, find_obstacles
from guestprep.source.catalogue import CATALOGUE
from guestprep.spec import PreparationSpec
from tests.support.guest_facts import UBUNTU_18_04, StubArchive, a_kernel

GUEST = Guest(name="x", source=GuestSource(), architecture=Architecture.X86_64)
SPEC = PreparationSpec.of(GUEST)
FACTS = replace(
    UBUNTU_18_04,
    architecture="x86_64",
    uefi="",
    bios=True,
    kernels=(a_kernel(gpu=DriverLocation.MISSING, drm=False),),
    leftovers=Leftovers(machine_id=True, host_keys=(), cloud_init=(), apt_lists=()),
)


def test_the_serial_console_is_that_of_such_machines() -> None:
    assert SPEC.consoles == ("ttyS0,115200", "tty1") and GUEST.boot == "none"
    assert PreparationSpec.from_dict(SPEC.to_dict()) == SPEC
    arm = Guest(name="x", source=GuestSource())
    assert PreparationSpec.of(arm) == PreparationSpec() and arm.boot == "result"


def test_its_kernel_needs_no_driver() -> None:
    plan = make_plan(FACTS, parse_status(""), SPEC, StubArchive())
    kinds: set[type[PreparationStep]] = {type(step) for step in plan.steps}
    assert kinds == {GrubStep, FileStep, CleanStep}
    (settings,) = plan.steps_of(FileStep)
    assert "console=ttyS0,115200 console=tty1" in settings.content


@pytest.mark.parametrize(
    ("uefi", "bios", "obstacles"),
    [("", True, []), ("EFI/BOOT/BOOTX64.EFI", False, []), ("", False, [Obstacle.NO_LOADER])],
)
def test_either_firmware_starts_it(uefi: str, bios: bool, obstacles: list[Obstacle]) -> None:
    found = find_obstacles(replace(FACTS, uefi=uefi, bios=bios), SPEC)
    assert [obstacle for obstacle, _ in found] == obstacles


def test_an_image_of_the_other_architecture_is_refused() -> None:
    for facts, spec in ((UBUNTU_18_04, SPEC), (FACTS, PreparationSpec())):
        assert Obstacle.ARCHITECTURE in [obstacle for obstacle, _ in find_obstacles(facts, spec)]


def test_each_architecture_has_its_loaders() -> None:
    arm, x86 = "EFI/BOOT/BOOTAA64.EFI", "efi/boot/bootx64.efi"
    assert uefi_loader("aarch64", arm) == arm and uefi_loader("x86_64", x86) == x86
    assert uefi_loader("aarch64", x86) == uefi_loader("x86_64", arm) == uefi_loader("", arm) == ""
    sector = b"\xebc\x90" + bytes(380) + b"GRUB \0Geom"
    assert starts_by_bios("x86_64", sector) and not starts_by_bios("x86_64", bytes(440))
    assert not starts_by_bios("aarch64", sector)


def test_its_packages_and_images_are_on_other_servers() -> None:
    assert all(archive.uri.endswith("archive.ubuntu.com/ubuntu") for archive in archives(FACTS))
    for image in CATALOGUE.values():
        assert "arm64" in image.file_for(Architecture.AARCH64)
        assert "amd64" in image.file_for(Architecture.X86_64)
        assert "arm64" not in image.file_for(Architecture.X86_64)
