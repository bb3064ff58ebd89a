"""The root file system of a test image: its packages and further files."""

from __future__ import annotations

import io
import os
import tarfile
import time
from collections.abc import Mapping
from pathlib import Path

from testbed.guest_image.disk import PartitionSpec, PartitionTable
from testbed.guest_image.layouts import ImageLayout, InitramfsMaker, MenuForm

#: The Debian packages of every layout's base, besides those of every bootstrapped root.
_PACKAGES = (
    "busybox",
    "ca-certificates",
    "cloud-guest-utils",
    "cloud-init",
    "dbus",
    "dosfstools",
    "e2fsprogs",
    "initramfs-tools",
    "iproute2",
    "kmod",
    "linux-base",
    "login",
    "netbase",
    "openssh-server",
    "passwd",
    "procps",
    "sudo",
    "systemd",
    "systemd-sysv",
    "udev",
)

#: Of Debian's archive, installed after the base's, which initramfs-tools is among: one base serves
#: most layouts. The package dracut, with its hook for kernels, can't stand beside the other.
ADDED = {
    InitramfsMaker.INITRAMFS_TOOLS: (),
    InitramfsMaker.DRACUT: ("dracut", "dracut-core"),
    InitramfsMaker.DRACUT_BESIDE: ("dracut-core",),
}

_LOADER_PACKAGES = {
    MenuForm.GRUB: ("grub-efi-arm64-bin", "grub2-common"),
    MenuForm.GRUB_ENTRIES: ("grub-efi-arm64-bin", "grub2-common"),
    MenuForm.SYSTEMD_BOOT: ("systemd-boot", "systemd-boot-efi"),
}

#: As in cloud images: for every kind of machine, not for the one that it is made on.
_DRACUT = 'hostonly="no"\nhostonly_cmdline="no"\n'

#: What the package dracut has kernels' packages run.
_DRACUT_HOOK = """\
#!/bin/sh
[ "$INITRD" = No ] || exec dracut --quiet --force "/boot/initrd.img-$1" "$1"
"""

#: In the place of a hook that must not run: for run-parts a link to /dev/null is a fault.
_NO_HOOK = "#!/bin/sh\n"

#: Units that only cost time in emulated guests without a network.
MASKED = (
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "systemd-networkd-wait-online.service",
)

#: Ubuntu's images have all data sources here; these use local ones only.
_CLOUD_SOURCES = """\
# to update this file, run dpkg-reconfigure cloud-init
datasource_list: [ NoCloud, ConfigDrive, None ]
"""

#: In emulated guests on a busy machine, devices can take longer than systemd's time limit of
#: 90 s; without its ESP a guest would stop in emergency mode.
_LONG_TIMEOUTS = """\
[Manager]
DefaultDeviceTimeoutSec=15min
DefaultTimeoutStartSec=15min
"""

ROOT_LABEL = "cloudimg-rootfs"
BOOT_LABEL = "BOOT"
ESP_LABEL = "UEFI"


def packages(layout: ImageLayout) -> tuple[str, ...]:
    """The Debian packages of a layout's base."""
    return (*_PACKAGES, *_LOADER_PACKAGES[layout.menu])


def name_of(layout: ImageLayout, part: PartitionSpec, label: str) -> str:
    """The name of a partition's file system in fstab and on the kernel's command line."""
    return f"LABEL={label}" if layout.labels else f"PARTUUID={part.guid}"


def fstab(layout: ImageLayout, table: PartitionTable) -> str:
    """The text of /etc/fstab."""
    mounts = [
        (name_of(layout, table.root, ROOT_LABEL), "/", "ext4"),
        *([(name_of(layout, table.boot, BOOT_LABEL), "/boot", "ext4")] if table.boot else []),
        (name_of(layout, table.esp, ESP_LABEL), "/boot/efi", "vfat"),
    ]
    return "".join(f"{name}\t{where}\t{kind}\tdefaults\t0 0\n" for name, where, kind in mounts)


def files(layout: ImageLayout, table: PartitionTable) -> dict[str, str]:
    """The content of files to add to the root, by path."""
    release = layout.os_release
    lsb = {
        "DISTRIB_ID": release["NAME"],
        "DISTRIB_RELEASE": release["VERSION_ID"],
        "DISTRIB_CODENAME": layout.codename,
        "DISTRIB_DESCRIPTION": release["PRETTY_NAME"],
    }
    return {
        "usr/lib/os-release": layout.os_release_text(),
        "etc/lsb-release": "".join(f'{key}="{value}"\n' for key, value in lsb.items()),
        "etc/issue": f"{release['PRETTY_NAME']} \\n \\l\n\n",
        "etc/hostname": f"{release['ID']}\n",
        "etc/hosts": f"127.0.0.1 localhost\n127.0.1.1 {release['ID']}\n::1 localhost\n",
        "etc/fstab": fstab(layout, table),
        "etc/cloud/cloud.cfg.d/90_dpkg.cfg": _CLOUD_SOURCES,
        "etc/systemd/system.conf.d/emulated.conf": _LONG_TIMEOUTS,
        **_initramfs_settings(layout),
        **_menu_settings(layout, table),
        "etc/kernel-img.conf": "do_symlinks = yes\nlink_in_boot = no\n",
        "boot/efi/.keep": "",
        **{
            f"etc/default/{name}": text.replace("@PARTUUID@", table.root.guid)
            for name, text in layout.grub_files.items()
        },
    }


def _initramfs_settings(layout: ImageLayout) -> dict[str, str]:
    settings = {}
    if layout.initramfs is not InitramfsMaker.DRACUT:
        compression = f"COMPRESS={layout.initramfs_compression}\n"
        settings["etc/initramfs-tools/conf.d/layout.conf"] = compression
    if layout.initramfs is not InitramfsMaker.INITRAMFS_TOOLS:
        settings["etc/dracut.conf.d/10-layout.conf"] = _DRACUT
    if layout.initramfs is InitramfsMaker.DRACUT_BESIDE:
        settings["etc/kernel/postinst.d/dracut"] = _DRACUT_HOOK
        settings["etc/kernel/postinst.d/initramfs-tools"] = _NO_HOOK
    return settings


def _menu_settings(layout: ImageLayout, table: PartitionTable) -> dict[str, str]:
    """What kernel-install takes the kernels' command lines from."""
    if layout.menu is not MenuForm.SYSTEMD_BOOT:
        return {}
    name = name_of(layout, table.root, ROOT_LABEL)
    return {
        "etc/kernel/cmdline": f"root={name} ro console=ttyS0,115200\n",
        "etc/kernel/entry-token": f"{layout.os_release['ID']}\n",
        "etc/kernel/install.conf": "layout=bls\n",
    }


def links() -> dict[str, str]:
    """Symbolic links to add to the root: the target of each path."""
    return dict.fromkeys((f"etc/systemd/system/{unit}" for unit in MASKED), "/dev/null")


def write_overlay(path: Path, contents: Mapping[str, str], targets: Mapping[str, str]) -> None:
    """Write a tar of files and links, owned by root, to unpack over the root file system.

    What begins with ``#!`` can be executed.
    """
    with tarfile.open(path, "w") as archive:
        folders: set[str] = set()
        for name in sorted([*contents, *targets]):
            for folder in _missing(name, folders):
                archive.addfile(_member(folder, tarfile.DIRTYPE, 0o755))
            if name in targets:
                member = _member(name, tarfile.SYMTYPE, 0o777)
                member.linkname = targets[name]
                archive.addfile(member)
            else:
                data = contents[name].encode()
                script = data.startswith(b"#!")
                member = _member(name, tarfile.REGTYPE, 0o755 if script else 0o644)
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))


def _missing(name: str, known: set[str]) -> list[str]:
    parts = name.split("/")[:-1]
    folders = [os.path.join(*parts[: count + 1]) for count in range(len(parts))]  # noqa: PTH118
    new = [folder for folder in folders if folder not in known]
    known.update(new)
    return new


def _member(name: str, kind: bytes, mode: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(f"./{name}")
    member.type = kind
    member.mode = mode
    member.uname = member.gname = "root"
    member.mtime = int(time.time())
    return member
