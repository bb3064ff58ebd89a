"""What `kollarm guest inspect` shows of an image."""

from __future__ import annotations

import json
from dataclasses import replace

from guestprep.facts import DriverLocation
from tests.support.guest_facts import PREPARED, UBUNTU_18_04, VERSION, a_kernel


def test_an_image_without_a_driver() -> None:
    lines = UBUNTU_18_04.to_text().splitlines()
    assert "Ubuntu 18.04 on aarch64, cloud-init" in lines
    assert "partitions (gpt):" in lines
    assert "  root at /: ext4 (unnamed), 1.0 GiB free" in lines
    assert f"kernel {VERSION}: virtio_gpu missing" in lines
    initramfs = "initramfs-tools, 1 B, gzip, 1 modules, without virtio_gpu"
    assert f"  /boot/initrd.img-{VERSION}: {initramfs}" in lines
    assert f"  Ubuntu: /boot/vmlinuz-{VERSION} ro console=tty1 nomodeset" in lines


def test_an_initramfs_with_the_driver() -> None:
    assert "2 modules, with virtio_gpu" in PREPARED.to_text()


def test_a_kernel_with_the_driver_built_in_and_no_initramfs() -> None:
    kernel = a_kernel(gpu=DriverLocation.BUILTIN, initramfs=None)
    lines = replace(UBUNTU_18_04, kernels=(kernel,)).to_text().splitlines()
    assert f"kernel {VERSION}: virtio_gpu built in" in lines
    assert "  no initramfs" in lines


def test_a_menu_that_tries_without_an_initramfs_first() -> None:
    assert PREPARED.grub is not None
    forced = replace(PREPARED, grub=replace(PREPARED.grub, force_partuuid=True))
    assert "without an initramfs" not in PREPARED.to_text()
    assert "without an initramfs" in forced.to_text()


def test_an_image_without_grub() -> None:
    facts = replace(PREPARED, grub=None)
    assert "no menu found" in facts.to_text()
    assert json.loads(json.dumps(facts.to_dict()))["grub"] is None


def test_the_document_has_the_consoles_of_each_entry() -> None:
    document = json.loads(json.dumps(PREPARED.to_dict()))
    (entry,) = document["grub"]["entries"]
    assert entry["consoles"] == ["ttyAMA0,115200", "tty1"] and entry["rescue"] is False
    (kernel,) = document["kernels"]
    assert kernel["gpu"] == "module" and "virtio_gpu" in kernel["initramfs"]["modules"]
