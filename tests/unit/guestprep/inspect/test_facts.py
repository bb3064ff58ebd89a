"""What `kollarm guest inspect` says of an image."""

from __future__ import annotations

import json
from dataclasses import replace

from guestprep.facts import DriverLocation
from tests.unit.guestprep.plan.test_plan import VERSION, facts, kernel, prepared


def test_an_image_without_a_driver() -> None:
    lines = facts().lines()
    assert "Ubuntu 18.04 on aarch64, cloud-init" in lines
    assert "partitions (gpt):" in lines
    assert "  root at /: ext4 (unnamed), 1.0 GiB free" in lines
    assert f"kernel {VERSION}: virtio_gpu missing" in lines
    ramfs = f"/boot/initrd.img-{VERSION}: initramfs-tools, 1 B, gzip, 1 modules, without virtio_gpu"
    assert f"  {ramfs}" in lines
    assert f"  Ubuntu: /boot/vmlinuz-{VERSION} ro console=tty1 nomodeset" in lines


def test_where_the_driver_can_be() -> None:
    assert "  /boot/i: initramfs-tools, 1 B, gzip, 2 modules, with virtio_gpu" in prepared().lines()
    builtin = facts(kernels=(kernel(gpu=DriverLocation.BUILTIN, initramfs=None),)).lines()
    assert f"kernel {VERSION}: virtio_gpu built in" in builtin
    assert "  no initramfs" in builtin


def test_a_menu_that_tries_without_an_initramfs_says_so() -> None:
    made = prepared()
    assert made.grub is not None
    assert "GRUB menu /boot/grub/grub.cfg:" in made.lines()
    forced = replace(made, grub=replace(made.grub, force_partuuid=True))
    assert "GRUB menu /boot/grub/grub.cfg, tries without an initramfs first:" in forced.lines()
    assert "boot loader: no grub.cfg found" in replace(made, grub=None).lines()


def test_the_document_has_the_consoles_of_each_entry() -> None:
    document = json.loads(json.dumps(prepared().to_dict()))
    (entry,) = document["grub"]["entries"]
    assert entry["consoles"] == ["ttyAMA0,115200", "tty1"] and entry["rescue"] is False
    (one,) = document["kernels"]
    assert one["gpu"] == "module" and "virtio_gpu" in one["initramfs"]["modules"]
    assert json.loads(json.dumps(replace(prepared(), grub=None).to_dict()))["grub"] is None
