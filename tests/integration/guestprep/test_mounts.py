"""Guests whose tree is made of several file systems, mounted as they mount it themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import UnusableInput
from guestprep import limits, pipeline
from guestprep.appliance import Appliance, Drive, launch_appliance
from guestprep.facts import Role
from guestprep.inspect.layout import find_layout
from guestprep.inspect.volumes import find_volumes
from tests.support import guest_disks, volume_disks
from tests.support.disks import Disks

pytestmark = pytest.mark.integration


def test_var_and_an_unlabelled_boot_of_their_own(disks: Disks) -> None:
    recipe = guest_disks.Recipe(
        separate_boot=True,
        boot_source=f"/dev/disk/by-uuid/{guest_disks.BOOT_UUID}",
        separate_var=True,
        extra={
            "var/lib/cloud/instance": "-> /var/lib/cloud/instances/i-1",
            "var/lib/cloud/instances/i-1/x": "x",
            "var/lib/apt/lists/list": "x",
            # An absolute link leads into the guest, not into the appliance.
            "usr/share/doc": "-> /opt/doc",
            "opt/doc/.keep": "",
            # systemd reads no such file.
            "etc/modules-load.d/gpu.conf.bak": "virtio_gpu\n",
        },
    )
    output = disks.folder / "mounts-prepared.qcow2"
    record = pipeline.prepare(disks.guest(disks.disk("mounts", recipe)), output)
    assert all(check.good for check in record.checks)
    with launch_appliance([Drive(output, "qcow2")]) as appliance:
        layout = find_layout(appliance)
        assert [mount.where for mount in layout.mounts] == ["/", "/boot", "/var"]
        extra = f"linux-modules-extra-{guest_disks.VERSION}"
        assert extra.encode() in appliance.read("/var/lib/dpkg/status")
        assert appliance.list_directory("/var/lib/apt/lists") == []
        assert appliance.list_directory("/var/lib/cloud/instances") == []
        assert "initrd.img-" in " ".join(appliance.list_directory("/boot"))
        assert appliance.is_link("/usr/share/doc")
        assert appliance.list_directory("/opt/doc/linux-image-extra-virtual") == ["copyright"]
        assert "kollarm.conf" in appliance.list_directory("/etc/modules-load.d")
        appliance.call("umount", "/var")
        assert appliance.list_directory("/var") == [".keep"]


def test_a_boot_that_fstab_does_not_name(disks: Disks) -> None:
    recipe = guest_disks.Recipe(graphics=True, separate_boot=True, boot_source="/dev/disk/by-id/x")
    with launch_appliance([Drive(disks.disk("by-id", recipe), "qcow2")]) as appliance:
        assert [mount.where for mount in find_layout(appliance).mounts] == ["/", "/boot"]


def add_system(appliance: Appliance, subvolume: str) -> None:
    """A subvolume with what a root is known by."""
    appliance.mount("/dev/sda1", writable=True)
    appliance.call("btrfs_subvolume_create", f"/{subvolume}")
    appliance.call("mkdir", f"/{subvolume}/usr")
    appliance.call("mkdir", f"/{subvolume}/etc")
    appliance.call("write", f"/{subvolume}/etc/os-release", b"ID=debian\n")
    line = b"/dev/vda1 / btrfs subvol=@rootfs 0 0\n/dev/vda1 /home btrfs subvol=@home 0 0\n"
    appliance.call("write", f"/{subvolume}/etc/fstab", line)
    appliance.call("mkdir", f"/{subvolume}/home")
    appliance.unmount_all()


def test_roots_in_subvolumes(tmp_path: Path) -> None:
    disk = tmp_path / "disk.raw"
    with disk.open("wb") as stream:
        stream.truncate(300 << 20)
    with launch_appliance([Drive(disk, "raw", writable=True)]) as appliance:
        appliance.call("part_disk", "/dev/sda", "gpt")
        appliance.call("mkfs", "btrfs", "/dev/sda1")
        add_system(appliance, "@rootfs")
        appliance.mount("/dev/sda1", writable=True)
        appliance.call("btrfs_subvolume_create", "/@home")
        appliance.unmount_all()
        layout = find_layout(appliance)
        found = [(mount.where, mount.options) for mount in layout.mounts]
        assert found == [("/", "subvol=@rootfs"), ("/home", "subvol=@home")]
        (part,) = layout.partitions
        assert part.mounted == "/"
        appliance.unmount_all()
        add_system(appliance, "@")
        with pytest.raises(UnusableInput, match="@, @rootfs"):
            find_layout(appliance)


def test_logical_volumes(disks: Disks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = tmp_path / "prepared.qcow2"
    record = pipeline.prepare(disks.guest(volume_disks.on_volumes(tmp_path)), output)
    assert record.checks and all(check.good for check in record.checks)
    extra = f"linux-modules-extra-{guest_disks.VERSION}"
    with launch_appliance([Drive(output, "qcow2")]) as appliance:
        layout = find_layout(appliance)
        places = {mount.where for mount in layout.mounts}
        assert places == {"/", "/usr", "/var", "/home", "/boot"} and not layout.absent
        with monkeypatch.context() as lower, pytest.raises(UnusableInput, match="volumes"):
            lower.setattr(limits, "VOLUMES", len(volume_disks.VOLUMES) - 1)
            find_volumes(appliance)
        swap = next(part for part in layout.partitions if part.role is Role.SWAP)
        assert "/dev/mapper/image--vg-swap" in swap.paths
        assert extra.encode() in appliance.read("/var/lib/dpkg/status")
        assert appliance.list_directory("/var/lib/cloud/instances") == []
        assert "kollarm.conf" in appliance.list_directory("/etc/modules-load.d")
        modules = f"/usr/lib/modules/{guest_disks.VERSION}/kernel/drivers/gpu/drm/virtio"
        assert appliance.list_directory(modules) == ["virtio-gpu.ko"]
        for place in ("/usr", "/var", "/home"):
            appliance.call("umount", place)
            assert appliance.list_directory(place) in ([], [".keep"])
    assert pipeline.plan(disks.guest(output)).empty
