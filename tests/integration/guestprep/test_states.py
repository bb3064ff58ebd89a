"""Images that don't come up: what a boot says of each."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from PIL import Image

from core.run import run
from guestprep import pipeline
from guestprep.appliance import Appliance, Drive, launch_appliance
from guestprep.boot import BootState, boot, machine
from guestprep.boot.machine import Firmware
from guestprep.inspect.layout import find_layout, mount_all
from testbed.guest_image import LAYOUTS, make
from testbed.guest_image.packages import newest_kernel
from tests.support import efi_program
from tests.support.guests import guest_of

pytestmark = pytest.mark.integration


def without_initramfs(appliance: Appliance) -> None:
    """Debian's kernel has no disk driver built in, and so no root."""
    edit(appliance, "/boot/grub/grub.cfg", lambda text: re.sub(r"(?m)^\s*initrd\s.*\n", "", text))


def another_root(appliance: Appliance) -> None:
    root = "root=LABEL=cloudimg-rootfs"
    edit(
        appliance,
        "/boot/grub/grub.cfg",
        lambda text: text.replace(root, "root=LABEL=elsewhere rootdelay=3"),
    )


def another_disk(appliance: Appliance) -> None:
    line = "LABEL=elsewhere /srv ext4 defaults,x-systemd.device-timeout=3s 0 2\n"
    edit(appliance, "/etc/fstab", lambda text: text + line)


#: What is broken, and how the boot must end.
BROKEN: Mapping[BootState, Callable[[Appliance], None]] = {
    BootState.KERNEL_PANIC: without_initramfs,
    BootState.INITRAMFS_SHELL: another_root,
    BootState.EMERGENCY_MODE: another_disk,
}


def edit(appliance: Appliance, path: str, change: Callable[[str], str]) -> None:
    before = appliance.read(path).decode()
    after = change(before)
    assert after != before
    appliance.call("write", path, after.encode())


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> dict[BootState, Path]:
    """A prepared image with each of the defects."""
    folder = tmp_path_factory.mktemp("states")
    image = make(LAYOUTS["ubuntu-22.04"])
    good = folder / "good.qcow2"
    pipeline.prepare(guest_of(image, compression="none"), good)
    made = {}
    for state in BROKEN:
        made[state] = folder / f"{state.name}.qcow2"
        shutil.copyfile(good, made[state])
    with launch_appliance(
        [Drive(path, "qcow2", writable=True) for path in made.values()]
    ) as appliance:
        for disk, change in zip(appliance.devices(), BROKEN.values(), strict=True):
            appliance.mount(f"{disk}1", writable=True)
            change(appliance)
            appliance.unmount_all()
        appliance.shutdown()
    return made


@pytest.mark.full
@pytest.mark.parametrize("state", BROKEN, ids=lambda state: state.name.lower())
def test_what_went_wrong_is_named(
    state: BootState, images: dict[BootState, Path], tmp_path: Path
) -> None:
    picture = tmp_path / "screen.png"
    report = boot(images[state], screenshot=picture)
    assert report.state is state, report.to_text()
    assert not report.passed and not report.timed_out
    assert report.to_text().startswith(f"failed: {state.meaning} (")
    with Image.open(picture) as shown:
        assert shown.width >= 640


@pytest.mark.full
def test_a_device_that_dracut_waits_for_is_named(tmp_path: Path) -> None:
    """Its systemd waits for a root that isn't there without a limit, and starts no shell."""
    disk = tmp_path / "disk.qcow2"
    pipeline.prepare(guest_of(make(LAYOUTS["ubuntu-26.04-server"]), compression="none"), disk)
    with launch_appliance([Drive(disk, "qcow2", writable=True)]) as appliance:
        layout = find_layout(appliance)
        appliance.unmount_all()
        mount_all(appliance, layout.mounts, writable=True)
        edit(
            appliance,
            "/boot/grub/grub.cfg",
            lambda text: re.sub(r"\broot=\S+", "root=LABEL=elsewhere", text),
        )
        appliance.unmount_all()
        appliance.shutdown()
    report = boot(disk)
    assert report.state is BootState.INITRAMFS_SHELL, report.to_text()
    assert not report.passed and not report.timed_out


def test_an_empty_disk_ends_in_the_firmware_on_both_consoles(tmp_path: Path) -> None:
    """In its shell, or, where Secure Boot forbids that, at its menu."""
    disk = tmp_path / "empty.qcow2"
    run(["qemu-img", "create", "-q", "-f", "qcow2", disk, "16M"])
    report = boot(disk, screenshot=tmp_path / "screen.png")
    ends = {BootState.FIRMWARE_SHELL, BootState.FIRMWARE_MENU}
    assert report.state in ends and not report.timed_out, report.to_text()
    for console in ("screen", "serial"):
        seen = [one.state for one in report.sightings if one.source == console]
        assert seen[-1] in ends, report.to_text()


#: What a program on the ESP does, and how the boot must end. Texts are those of Linux and dracut.
PROGRAMS: Mapping[BootState, bytes] = {
    BootState.FIRMWARE_EXCEPTION: efi_program.CRASH,
    BootState.PAGE_SIZE: efi_program.printing(
        "EFI stub: Booting Linux Kernel...\n"
        "EFI stub: ERROR: This 16 KB granular kernel is not supported by your CPU\n"
    ),
    BootState.INITRAMFS_SHELL: efi_program.printing(
        'Generating "/run/initramfs/rdsosreport.txt"\n\n\n'
        "Entering emergency mode. Exit the shell to continue.\n"
        'Type "journalctl" to view system logs.\n\n\ndracut:/# '
    ),
}


@pytest.mark.parametrize("state", PROGRAMS, ids=lambda state: state.name.lower())
def test_a_loader_that_stops_is_named(state: BootState, tmp_path: Path) -> None:
    report = boot(efi_program.disk(tmp_path, PROGRAMS[state]), timeout=300)
    assert report.state is state, report.to_text()
    assert not report.timed_out


def test_a_loader_that_secure_boot_refuses_is_named(tmp_path: Path) -> None:
    folder = Path("/usr/share/AAVMF")
    keys = Firmware(folder / "AAVMF_CODE.ms.fd", folder / "AAVMF_VARS.ms.fd")
    report = boot(efi_program.disk(tmp_path, efi_program.CRASH), timeout=300, firmware=keys)
    assert report.state is BootState.SECURE_BOOT, report.to_text()
    assert not report.timed_out


@pytest.mark.full
@pytest.mark.parametrize("again", [False, True])
def test_a_kernel_for_larger_pages(
    again: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Debian's own for 16 KiB, started by the firmware, is tried on a processor that has them."""
    if not again:
        monkeypatch.setattr(machine, "PROCESSOR_16K", machine.PROCESSOR)
    kernel = newest_kernel("linux-image-arm64-16k")
    (package,) = (path for name, path in kernel.packages.items() if kernel.release in name)
    run(["dpkg-deb", "--extract", package, tmp_path / "kernel"])
    image = tmp_path / f"kernel/boot/vmlinuz-{kernel.release}"
    report = boot(efi_program.disk_with(tmp_path, image), timeout=600)
    # On the other one it gets as far as a kernel can without a root.
    expected = BootState.KERNEL_PANIC if again else BootState.PAGE_SIZE
    assert report.state is expected, report.to_text()
