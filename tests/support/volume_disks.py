"""Disks with logical volumes and arrays, made by libguestfs itself."""

from __future__ import annotations

from pathlib import Path

from guestprep.appliance import Appliance, Drive, launch_appliance
from tests.support import guest_disks
from tests.support.guest_disks import MIB

#: The volume group; its hyphen is doubled in the names of its volumes' devices.
GROUP = "image-vg"
VOLUMES = {"root": 64, "usr": 96, "var": 16, "home": 16, "swap": 8}

FSTAB = f"""\
/dev/mapper/image--vg-root / ext4 defaults 0 1
/dev/disk/by-id/dm-name-image--vg-usr /usr ext4 defaults 0 1
UUID={guest_disks.VAR_UUID} /var ext4 defaults 0 1
/dev/image-vg/home /home ext4 defaults 0 2
UUID={guest_disks.BOOT_UUID} /boot ext4 defaults 0 1
LABEL=UEFI /boot/efi vfat umask=0077 0 1
/dev/mapper/image--vg-swap none swap sw 0 0
"""

RECIPE = guest_disks.Recipe(
    usr_merged=True,
    separate_boot=True,
    boot_source=f"UUID={guest_disks.BOOT_UUID}",
    separate_var=True,
    extra={
        "etc/fstab": FSTAB,
        "etc/os-release": "-> ../usr/lib/os-release",
        "usr/lib/os-release": guest_disks.Recipe.os_release,
        "home/.keep": "",
        "var/lib/cloud/instances/i-1/x": "x",
    },
)


def blank(path: Path, mib: int) -> Path:
    """An empty raw disk."""
    with path.open("wb") as stream:
        stream.truncate(mib * MIB)
    return path


def partition(appliance: Appliance, disk: str, *sizes: int) -> None:
    """Partitions of so many MiB, one after the other from the first MiB on."""
    appliance.call("part_init", disk, "gpt")
    at = MIB // 512
    for size in sizes:
        end = at + size * MIB // 512
        appliance.call("part_add", disk, "primary", at, end - 1)
        at = end


def on_volumes(folder: Path) -> Path:
    """A disk as a hardened image has it: all but /boot and the ESP on logical volumes."""
    source = guest_disks.make(folder / "plain.qcow2", folder / "plain", RECIPE)
    disk = blank(folder / "volumes.raw", 290)
    drives = [Drive(source, "qcow2"), Drive(disk, "raw", writable=True)]
    with launch_appliance(drives) as appliance:
        partition(appliance, "/dev/sdb", 34, 12, 240)
        appliance.call("part_set_gpt_type", "/dev/sdb", 1, "C12A7328-F81F-11D2-BA4B-00A0C93EC93B")
        appliance.call("vgcreate", GROUP, ["/dev/sdb3"])
        for name, size in VOLUMES.items():
            appliance.call("lvcreate", name, GROUP, size)
        for part, copy in ((15, "/dev/sdb1"), (16, "/dev/sdb2"), (1, f"/dev/{GROUP}/root"),
                           (17, f"/dev/{GROUP}/var")):  # fmt: skip
            appliance.call("copy_device_to_device", f"/dev/sda{part}", copy)
        for name in ("usr", "home"):
            appliance.call("mkfs", "ext4", f"/dev/{GROUP}/{name}")
        appliance.call("mkswap", f"/dev/{GROUP}/swap")
        appliance.mount(f"/dev/{GROUP}/root", writable=True)
        appliance.call("mkdir", "/new")
        appliance.mount(f"/dev/{GROUP}/usr", "/new", writable=True)
        for name in appliance.list_directory("/usr"):
            appliance.call("cp_a", f"/usr/{name}", "/new/")
            appliance.remove(f"/usr/{name}")
        appliance.call("umount", "/new")
        appliance.remove("/new")
        appliance.shutdown()
    return disk
