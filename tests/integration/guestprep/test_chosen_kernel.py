"""A kernel of the configuration's choice: installed, booted by the menu, and shown on a screen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from core import debian_root
from core.config.model import AptArchive
from guestprep import pipeline
from guestprep.appliance import Drive, launch_appliance
from guestprep.boot import boot
from testbed.guest_image import LAYOUTS, make
from testbed.guest_image.layouts import SUITE
from tests.support import debian_disks, guest_disks
from tests.support.disks import Disks
from tests.support.guests import guest_of

pytestmark = pytest.mark.integration


def test_it_is_booted_instead_of_a_kernel_that_has_a_screen_too(disks: Disks) -> None:
    recipe = guest_disks.Recipe(graphics=True, usr_merged=True)
    recipe.status += (
        "\nPackage: initramfs-tools\nStatus: install ok installed\nArchitecture: all\n"
        "Version: 0.142\nDescription: x\n"
    )
    source = disks.disk("chosen", recipe)
    other = replace(disks, archive=debian_disks.debian_archive(disks.folder / "chosen-debian"))
    guest = other.guest(source).model_copy(update={"kernel": "linux-image-arm64"})
    output = disks.folder / "chosen-prepared.qcow2"
    record = pipeline.prepare(guest, output)
    assert all(check.good for check in record.checks)
    assert any("linux-image-arm64 is booted" in check.claim for check in record.checks)
    with launch_appliance([Drive(output, "qcow2")]) as appliance:
        appliance.mount("/dev/sda1")
        # The image's own stays, and isn't in the menu.
        both = [guest_disks.VERSION, debian_disks.GENERIC]
        assert appliance.list_directory("/lib/modules") == both
        menu = appliance.read("/boot/grub/grub.cfg").decode()
        assert f"initrd.img-{debian_disks.GENERIC}" in appliance.list_directory("/boot")
    assert f"vmlinuz-{debian_disks.GENERIC}" in menu and guest_disks.VERSION not in menu
    again = guest.model_copy(update={"source": guest.source.model_copy(update={"path": output})})
    assert pipeline.plan(again).empty


@pytest.mark.full
def test_a_kernel_with_large_pages_shows_a_login_prompt(tmp_path: Path) -> None:
    archive = AptArchive(
        uri=debian_root.DEFAULT_MIRROR, suite=SUITE, keyring=Path(debian_root.KEYRING)
    )
    image = make(LAYOUTS["ubuntu-22.04"])
    guest = guest_of(image, archives=[archive], kernel="linux-image-arm64-16k", size="4G")
    output = tmp_path / "prepared.qcow2"
    record = pipeline.prepare(guest, output)
    assert record.checks and all(check.good for check in record.checks)
    report = boot(output, screenshot=tmp_path / "screen.png")
    assert report.passed, report.to_text()
