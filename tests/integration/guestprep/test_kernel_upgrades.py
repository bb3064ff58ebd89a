"""Another kernel, installed by the guest's own tools after its image was prepared."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from core.run import run
from guestprep import pipeline
from guestprep.boot import boot
from guestprep.expectations import Expectations
from guestprep.facts import InitramfsKind
from guestprep.inspect import inspect_image
from guestprep.parse.modules import is_module, module_name
from guestprep.verify import check_image
from testbed.guest_image import LAYOUTS, make
from testbed.guest_image.layouts import InitramfsMaker
from testbed.guest_image.packages import newest_kernel
from tests.support.guest_trees import GuestTree, unpacked
from tests.support.guests import guest_of

pytestmark = [pytest.mark.integration, pytest.mark.full, pytest.mark.timeout(2 * 3600)]

#: Debian's kernel for short response times: sorted before the one that the layouts have.
META = "linux-image-rt-arm64"


def install_kernel(tree: GuestTree) -> str:
    """Install Debian's other kernel; its version."""
    kernel = newest_kernel(META)
    for name, package in kernel.packages.items():
        shutil.copyfile(package, tree.root / f"var/cache/apt/archives/{name}.deb")
    tree.run("dpkg --force-unsafe-io --install /var/cache/apt/archives/*.deb")
    assert tree.run("dpkg --audit") == ""
    return kernel.release


@pytest.mark.parametrize(
    "layout", ["ubuntu-22.04", "ubuntu-26.04-server", "debian-13-systemd-boot"]
)
def test_it_has_the_screen_and_the_consoles(layout: str, tmp_path: Path) -> None:
    image = make(LAYOUTS[layout])
    disk = tmp_path / "disk.qcow2"
    pipeline.prepare(guest_of(image, compression="none"), disk)
    tree_folder = tmp_path / "tree"
    tree_folder.mkdir()
    dracut = LAYOUTS[layout].initramfs is not InitramfsMaker.INITRAMFS_TOOLS
    with unpacked(disk, tree_folder) as tree:
        version = install_kernel(tree)
        show = "lsinitrd" if dracut else "lsinitramfs"
        shown = tree.run(f"{show} /boot/initrd.img-{version}")
        assert "virtio-gpu.ko" in shown and "virtio_scsi.ko" in shown
        tree.into(disk, "etc", "var/lib", f"usr/lib/modules/{version}")
    inspection = inspect_image(disk)
    facts = inspection.facts
    assert version in [kernel.version for kernel in facts.booted]
    kind = InitramfsKind.DRACUT if dracut else InitramfsKind.INITRAMFS_TOOLS
    assert {kernel.initramfs.kind for kernel in facts.kernels if kernel.initramfs} == {kind}
    bad = [check for check in check_image(inspection, Expectations()).checks if not check.good]
    assert not bad, bad
    report = boot(disk, screenshot=tmp_path / "screen.png")
    assert report.passed, report.to_text()
    run(["rm", "-rf", tree_folder])


def test_a_replaced_kernels_initramfs_reads_whole(tmp_path: Path) -> None:
    """By the guest's own lsinitramfs, which reads one archive."""
    disk = tmp_path / "disk.qcow2"
    pipeline.prepare(guest_of(make(LAYOUTS["debian-13-genericcloud"]), compression="none"), disk)
    (kernel,) = inspect_image(disk).facts.booted
    assert kernel.initramfs is not None
    folder = tmp_path / "tree"
    folder.mkdir()
    with unpacked(disk, folder) as tree:
        shown = tree.run(f"lsinitramfs {kernel.initramfs.path}")
    found = {module_name(line) for line in shown.splitlines() if is_module(line)}
    assert "virtio_gpu" in found and found == set(kernel.initramfs.modules)
