"""Disks whose kernels' command lines are not in grub.cfg alone."""

from __future__ import annotations

import pytest

from core.errors import UnusableInput
from guestprep import pipeline
from guestprep.appliance import Drive, launch_appliance
from guestprep.facts import BootLoader
from guestprep.inspect import inspect_image
from guestprep.plan import guest_files
from guestprep.plan.model import FileStep
from guestprep.spec import PreparationPart
from tests.support import guest_disks
from tests.support.disks import Disks
from tests.support.guest_facts import CONSOLES

pytestmark = pytest.mark.integration

VERSION = guest_disks.VERSION
TOKEN = "4098b3f648d74c13b1f04ccfba7798e8"
#: The start of a loader that says what it is.
SYSTEMD_BOOT = b"MZ" + bytes(64) + b"#### LoaderInfo: systemd-boot 252 ####"

ENTRY = f"""\
title Test
version {VERSION}
options root=LABEL=cloudimg-rootfs ro %s
linux /%s
initrd /%s
"""


def test_entries_of_grub_with_its_environment(disks: Disks) -> None:
    entry = f"boot/loader/entries/{TOKEN}-{VERSION}.conf"
    kernel, initrd = f"boot/vmlinuz-{VERSION}", f"boot/initrd.img-{VERSION}"
    block = "# GRUB Environment Block\nkernelopts=quiet console=ttyS0 nomodeset\n".ljust(1024, "#")
    recipe = guest_disks.Recipe(
        graphics=True,
        extra={
            "boot/grub/grub.cfg": "load_env\nset own='console=ttyS1'\nblscfg\n",
            "boot/grub/grubenv": block,
            entry: ENTRY % ("$kernelopts $own", kernel, initrd),
            "etc/kernel/cmdline": "ro console=ttyS0\n",
        },
    )
    output = disks.folder / "bls-prepared.qcow2"
    record = pipeline.prepare(disks.guest(disks.disk("bls", recipe)), output)
    assert all(check.good for check in record.checks)
    assert "menu entry “Test”" in " ".join(check.claim for check in record.checks)
    facts = inspect_image(output).facts
    (found,) = facts.entries
    assert found.consoles == CONSOLES and not found.blanking
    assert found.words[-2:] == ("$kernelopts", "$own")
    assert facts.kernel_cmdline == ("ro", *(f"console={name}" for name in CONSOLES))
    assert facts.grub is not None and facts.grub.environment_words == ("quiet",)
    with launch_appliance([Drive(output, "qcow2")]) as appliance:
        appliance.mount(appliance.partitions()[0])
        assert len(appliance.read("/boot/grub/grubenv")) == 1024


def systemd_boot(settings: str) -> guest_disks.Recipe:
    """A disk that starts by systemd-boot, with an entry and its kernel on the ESP."""
    folder = f"{TOKEN}/{VERSION}"
    recipe = guest_disks.Recipe(graphics=True)
    files = f"{folder}/linux", f"{folder}/initrd"
    recipe.esp_files = {
        "EFI/BOOT/BOOTAA64.EFI": SYSTEMD_BOOT,
        "loader/loader.conf": settings.encode(),
        f"loader/entries/{TOKEN}-{VERSION}.conf": (
            ENTRY % ("console=ttyS0 nomodeset", *files)
        ).encode(),
        "loader/entries/zz-repair.conf": (ENTRY % ("single", *files)).encode(),
        # Its kernel isn't there: systemd-boot shows no such entry.
        "loader/entries/zzz-gone.conf": (
            ENTRY % ("console=ttyS0", "gone/linux", "gone/i")
        ).encode(),
        files[0]: b"a kernel",
        files[1]: guest_disks.initramfs(recipe),
    }
    return recipe


def test_systemd_boot_beside_a_left_over_menu_of_grub(disks: Disks) -> None:
    recipe = systemd_boot(f"timeout menu-force\ndefault {TOKEN[:8]}*\n")
    output = disks.folder / "systemd-boot-prepared.qcow2"
    record = pipeline.prepare(disks.guest(disks.disk("systemd-boot", recipe)), output)
    assert all(check.good for check in record.checks)
    facts = inspect_image(output).facts
    assert facts.loader is BootLoader.SYSTEMD_BOOT and facts.grub is None
    entry, repair = facts.entries
    assert entry.consoles == CONSOLES and not entry.blanking
    assert repair.rescue and not repair.consoles
    assert facts.started == entry.path and not facts.waiting
    (kernel,) = facts.kernels
    assert kernel.initramfs is not None
    assert kernel.initramfs.path == f"/boot/efi/{TOKEN}/{VERSION}/initrd"
    assert "virtio_gpu" in kernel.initramfs.loads
    assert facts.kernel_cmdline is not None and "console=tty1" in facts.kernel_cmdline


def test_an_entry_for_repairs_as_the_default_is_refused(disks: Disks) -> None:
    source = disks.disk("repairs", systemd_boot("timeout 3\ndefault zz-*\n"))
    with pytest.raises(UnusableInput, match="repairs") as caught:
        pipeline.prepare(disks.guest(source), disks.folder / "repairs-prepared.qcow2")
    assert "loader.conf" in str(caught.value.hint)


def test_a_unified_kernel_image_is_named(disks: Disks) -> None:
    recipe = guest_disks.Recipe(graphics=True)
    recipe.esp_files = {
        "EFI/BOOT/BOOTAA64.EFI": SYSTEMD_BOOT,
        f"EFI/Linux/debian-{VERSION}.efi": b"MZ",
    }
    source = disks.disk("unified", recipe)
    with pytest.raises(UnusableInput, match=r"UKI.*debian") as caught:
        pipeline.prepare(disks.guest(source), disks.folder / "unified-prepared.qcow2")
    assert "--only" in str(caught.value.hint)


def test_the_fallback_loader_is_made_of_the_own_one(disks: Disks) -> None:
    """Of a system that Debian's installer has made, or FAI as the image "generic"."""
    recipe = guest_disks.Recipe(
        graphics=True,
        loader=False,
        os_release='ID=debian\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\n',
        words="console=ttyS0,115200",
    )
    recipe.esp_files = {
        "EFI/debian/shimaa64.efi": b"MZ shim",
        "EFI/debian/grubaa64.efi": b"MZ GRUB",
    }
    output = disks.folder / "loader-prepared.qcow2"
    record = pipeline.prepare(disks.guest(disks.disk("loader", recipe)), output)
    assert all(check.good for check in record.checks) and record.uefi
    with launch_appliance([Drive(output, "qcow2")]) as appliance:
        appliance.mount(appliance.partitions()[-1])
        assert appliance.read("/EFI/BOOT/BOOTAA64.EFI") == b"MZ shim"
        assert appliance.read("/EFI/BOOT/grubaa64.efi") == b"MZ GRUB"


def test_the_layout_of_the_rpm_families(disks: Disks) -> None:
    paths = f"boot/vmlinuz-{VERSION}", f"boot/initramfs-{VERSION}.img"
    recipe = guest_disks.Recipe(
        graphics=True,
        dracut=True,
        os_release='ID="rocky"\nVERSION_ID="9.6"\nPRETTY_NAME="Rocky Linux 9.6"\n',
        extra={
            "boot/grub2/grub.cfg": "load_env\nblscfg\n",
            f"boot/loader/entries/{TOKEN}-{VERSION}.conf": ENTRY % ("console=ttyS0", *paths),
            "etc/default/grub": 'GRUB_CMDLINE_LINUX="ro console=ttyS0 crashkernel=1G"\n',
            "etc/selinux/config": "SELINUX=enforcing\n",
        },
    )
    source = disks.disk("rocky", recipe)
    with launch_appliance([Drive(source, "qcow2", writable=True)]) as appliance:
        appliance.mount("/dev/sda1", writable=True)
        appliance.remove("/boot/grub")
        appliance.call("mv", f"/boot/initrd.img-{VERSION}", f"/{paths[1]}")
        appliance.unmount_all()
    output = disks.folder / "rocky-prepared.qcow2"
    parts = [part for part in PreparationPart if part is not PreparationPart.PACKAGES]
    record = pipeline.prepare(disks.guest(source), output, only=parts)
    assert all(check.good for check in record.checks)
    facts = inspect_image(output).facts
    assert facts.grub is not None and facts.grub.settings_words is not None
    assert "crashkernel=1G" in facts.grub.settings_words
    (kernel,) = facts.kernels
    assert kernel.initramfs is not None and "virtio_gpu" in kernel.initramfs.loads
    assert [entry.consoles for entry in facts.entries] == [CONSOLES]
    with launch_appliance([Drive(output, "qcow2")]) as appliance:
        appliance.mount("/dev/sda1")
        assert appliance.is_file("/.autorelabel")


def test_dracut_beside_initramfs_tools(disks: Disks) -> None:
    recipe = guest_disks.Recipe(
        graphics=True,
        dracut=True,
        extra={"usr/bin/dracut": b"#!/bin/sh\n", "usr/sbin/update-initramfs": b"#!/bin/sh\n"},
    )
    output = disks.folder / "dracut-prepared.qcow2"
    record = pipeline.prepare(disks.guest(disks.disk("dracut", recipe)), output)
    assert all(check.good for check in record.checks)
    written = [step.path for step in record.plan.steps if isinstance(step, FileStep)]
    assert guest_files.DRACUT_CONF in written and guest_files.INITRAMFS_HOOK not in written
