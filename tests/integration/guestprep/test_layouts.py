"""Each layout of cloud images: what its console shows before, and a login prompt after.

Ubuntu 18.04's is booted in tests/integration/kollarm/test_images.py.

Ubuntu 26.04's menu tries without an initramfs first. Here that try panics and the next one has
the initramfs, since no arm64 kernel of Debian's has both a disk driver with ext4 built in and a
graphics driver: what is shown is that the menu's two tries end at a login prompt, and that the
modules-load.d file is enough for the screen; a start without any initramfs isn't.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from core.cache import file_digest
from core.config.model import GuestSource
from core.paths import cache_dir, project_dir
from core.run import run
from guestprep import pipeline
from guestprep.appliance import Drive, launch_appliance
from guestprep.boot import boot
from guestprep.boot.states import BootState
from guestprep.plan.model import PreparationPlan
from guestprep.record import PreparationRecord
from guestprep.spec import PreparationPart
from testbed.guest_image import LAYOUTS, GuestImage, make
from testbed.guest_image.layouts import DEFAULT_LAYOUT
from tests.support.copied_machine import AS_ROOT
from tests.support.guests import guest_of

pytestmark = [pytest.mark.integration, pytest.mark.slow]


@dataclass(frozen=True)
class Case:
    """A layout."""

    layout: str
    dark: bool
    """Whether its screen stays dark without preparation; on the others the driver is found by udev,
    late.
    """
    steps: frozenset[str]
    """Kinds of steps that its plan must have."""
    only: tuple[PreparationPart, ...] = ()
    """The parts to do; none named means all."""


WITHOUT_PACKAGES = tuple(part for part in PreparationPart if part is not PreparationPart.PACKAGES)
SCREEN = frozenset({"file", "initramfs", "grub"})
CASES = (
    Case("ubuntu-22.04", dark=False, steps=SCREEN),
    # The initramfs is left alone: where a start goes without, what is in it doesn't count.
    Case(
        "ubuntu-26.04",
        dark=False,
        steps=frozenset({"file", "grub"}),
        only=(PreparationPart.LOADING, PreparationPart.GRUB),
    ),
    Case("debian-13-genericcloud", dark=True, steps=SCREEN | {"replace"}),
    Case("ubuntu-26.04-server", dark=False, steps=SCREEN),
    # As for a distribution whose packages kollarm doesn't install.
    Case("rocky-9", dark=False, steps=SCREEN, only=WITHOUT_PACKAGES),
    Case("debian-13-systemd-boot", dark=False, steps=SCREEN),
)


def prepared(
    image: GuestImage, output: Path, only: tuple[PreparationPart, ...] = ()
) -> PreparationRecord:
    record = pipeline.prepare(guest_of(image), output, only=only)
    assert record.checks and all(check.good for check in record.checks)
    assert file_digest(image.image) == image.sha256
    return record


def kinds(record: PreparationRecord) -> set[str]:
    return {step.kind() for step in record.plan.steps}


def shows_a_login_prompt(path: Path, screenshot: Path) -> None:
    report = boot(path, screenshot=screenshot)
    assert report.passed, report.to_text()
    assert report.serial_state is BootState.LOGIN_PROMPT, report.to_text()


def test_a_boot_partition_of_its_own_and_compressed_modules(tmp_path: Path) -> None:
    image = make(LAYOUTS["ubuntu-24.04"])
    output = tmp_path / "prepared.qcow2"
    record = prepared(image, output)
    assert kinds(record) >= SCREEN
    assert "install" not in kinds(record)
    shows_a_login_prompt(output, tmp_path / "screen.png")


def test_the_machine_needs_none_of_the_groups_that_an_image_has(tmp_path: Path) -> None:
    make(LAYOUTS[DEFAULT_LAYOUT])
    cache = tmp_path / "cache"
    cache.mkdir()
    for kind in cache_dir().iterdir():
        if kind.name != "guest-image":
            (cache / kind.name).symlink_to(kind)
    group = tmp_path / "group"
    group.write_text("root:x:0:\n")
    made = tmp_path / "made"
    run(
        [
            *AS_ROOT, "unshare", "--mount", "sh", "-c",
            'mount --bind "$1" /etc/group && shift && exec "$@"', "sh", group,
            "env", f"KOLLARM_CACHE={cache}",
            sys.executable, project_dir() / "scripts" / "make-guest-image", "--output", made,
        ]
    )  # fmt: skip
    assert file_digest(GuestImage.read(made).image) == GuestImage.read(made).sha256


@pytest.mark.full
def test_ubuntu_24_04_before(tmp_path: Path) -> None:
    report = boot(make(LAYOUTS["ubuntu-24.04"]).image, screenshot=tmp_path / "before.png")
    assert report.passed, report.to_text()


@pytest.mark.full
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.layout)
def test_a_layout_before_and_after(case: Case, tmp_path: Path) -> None:
    image = make(LAYOUTS[case.layout])
    before = boot(image.image, screenshot=tmp_path / "before.png")
    assert before.passed is not case.dark, before.to_text()
    if case.dark:
        assert before.state is BootState.DISPLAY_NOT_ACTIVE
    assert before.serial_state is BootState.LOGIN_PROMPT, before.to_text()
    output = tmp_path / "prepared.qcow2"
    record = prepared(image, output, case.only)
    assert kinds(record) >= case.steps
    shows_a_login_prompt(output, tmp_path / "after.png")
    again: PreparationPlan = pipeline.plan(guest_of(image, source=source(output)), only=case.only)
    assert again.empty, again.to_text()


def source(path: Path) -> GuestSource:
    return GuestSource(path=path, sha256=file_digest(path))


@pytest.mark.full
def test_a_loader_in_its_own_folder_alone(tmp_path: Path) -> None:
    image = make(LAYOUTS["ubuntu-22.04"])
    moved = tmp_path / "moved.qcow2"
    run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", image.image, moved])
    with launch_appliance([Drive(moved, "qcow2", writable=True)]) as appliance:
        esp = next(
            device
            for device in appliance.partitions()
            if appliance.block_id(device).get("TYPE") == "vfat"
        )
        appliance.mount(esp, writable=True)
        appliance.call("mv", "/EFI/BOOT/BOOTAA64.EFI", "/EFI/ubuntu/grubaa64.efi")
        appliance.remove("/EFI/BOOT")
        appliance.unmount_all()
    whole = tmp_path / "whole.qcow2"
    run(["qemu-img", "convert", "-O", "qcow2", moved, whole])
    output = tmp_path / "prepared.qcow2"
    record = pipeline.prepare(guest_of(image, source=source(whole)), output)
    assert "loader" in kinds(record)
    # Each boot starts with new variables, which know no boot entry.
    shows_a_login_prompt(output, tmp_path / "screen.png")
