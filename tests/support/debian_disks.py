"""Disks like Debian's genericcloud image, whose kernel has no graphics, and an archive for them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from guestprep.parse.compression import Compression
from tests.support import synthetic
from tests.support.guest_disks import MENU, Recipe, initramfs

CLOUD = "6.1.0-9-cloud-arm64"
GENERIC = "6.1.0-10-arm64"

_CLOUD_STATUS = """\
Package: initramfs-tools
Status: install ok installed
Architecture: all
Version: 0.142
Description: x

Package: linux-image-{version}
Status: install ok installed
Architecture: arm64
Version: 6.1.20-1
Description: a kernel without graphics

Package: linux-image-cloud-arm64
Status: install ok installed
Architecture: arm64
Version: 6.1.20-1
Depends: linux-image-{version} (= 6.1.20-1)
Description: the newest of them
"""


def debian_cloud() -> Recipe:
    """Debian's genericcloud image: a kernel without any graphics driver."""
    lists = {
        f"linux-image-{CLOUD}": f"/.\n/boot\n/boot/vmlinuz-{CLOUD}\n/boot/config-{CLOUD}\n",
        "linux-image-cloud-arm64": "/.\n/usr\n",
    }
    return Recipe(
        version=CLOUD,
        os_release='ID=debian\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\n',
        words="console=tty0 console=ttyS0,115200",
        usr_merged=True,
        compressions=(Compression.ZSTD,),
        config="# CONFIG_DRM is not set\n",
        status=_CLOUD_STATUS,
        extra={
            "vmlinuz": f"-> boot/vmlinuz-{CLOUD}",
            **{f"var/lib/dpkg/info/{name}.list": text for name, text in lists.items()},
        },
    )


OLDER = "6.1.0-8-cloud-arm64"


def upgraded_cloud() -> Recipe:
    """Debian's genericcloud image after one upgrade: the kernel before is still there."""
    recipe = debian_cloud()
    older = replace(recipe, version=OLDER)
    package, lib = f"linux-image-{OLDER}", f"usr/lib/modules/{OLDER}"
    menu = MENU.format(version=CLOUD, words=recipe.words)
    menu += MENU.format(version=OLDER, words=recipe.words)
    return replace(
        recipe,
        status=recipe.status
        + f"\nPackage: {package}\nStatus: install ok installed\nArchitecture: arm64\n"
        "Version: 6.1.19-1\nDescription: an older kernel\n",
        extra={
            **recipe.extra,
            f"boot/vmlinuz-{OLDER}": b"an older kernel",
            f"boot/config-{OLDER}": recipe.config,
            f"boot/initrd.img-{OLDER}": initramfs(older),
            "boot/grub/grub.cfg": menu,
            f"{lib}/modules.dep": "".join(f"{path}:\n" for path in synthetic.BASIC),
            **{f"{lib}/{path}": data for path, data in synthetic.BASIC.items()},
            f"var/lib/dpkg/info/{package}.list": (
                f"/.\n/boot\n/boot/vmlinuz-{OLDER}\n/boot/config-{OLDER}\n/{lib}\n/{lib}/modules.dep\n"
            ),
        },
    )


def generic_beside_cloud() -> Recipe:
    """Debian's genericcloud image in which somebody has installed linux-image-arm64."""
    recipe = debian_cloud()
    other = replace(recipe, version=GENERIC)
    lib = f"usr/lib/modules/{GENERIC}"
    menu = MENU.format(version=CLOUD, words=recipe.words)
    menu += MENU.format(version=GENERIC, words=recipe.words)
    modules = synthetic.BASIC | synthetic.GRAPHICS
    packages = {
        f"linux-image-{GENERIC}": "Depends: initramfs-tools",
        "linux-image-arm64": f"Depends: linux-image-{GENERIC}",
    }
    return replace(
        recipe,
        further_kernels=(GENERIC,),
        status=recipe.status
        + "".join(
            f"\nPackage: {name}\nStatus: install ok installed\nArchitecture: arm64\n"
            f"Version: 6.1.30-1\n{needs}\nDescription: x\n"
            for name, needs in packages.items()
        ),
        extra={
            **recipe.extra,
            f"boot/vmlinuz-{GENERIC}": b"another kernel",
            f"boot/config-{GENERIC}": Recipe().config,
            f"boot/initrd.img-{GENERIC}": initramfs(other),
            "boot/grub/grub.cfg": menu,
            **{f"{lib}/{name}": data for name, data in modules.items()},
        },
    )


def debian_archive(folder: Path) -> synthetic.SignedArchive:
    """A signed archive with the generic kernel."""
    made = synthetic.signed_archive(folder, "bookworm")
    common = {"Architecture": "arm64", "Maintainer": "Synthetic <synthetic@example.org>"}
    modules = (
        synthetic.BASIC
        | synthetic.GRAPHICS
        | {
            "modules.builtin": b"",
            "modules.order": b"",
            "kernel/fs/ext4.ko": synthetic.module("ext4", softdep="pre: soft_helper"),
        }
    )
    synthetic.deb(
        folder / "pool" / "kernel.deb",
        {
            "Package": f"linux-image-{GENERIC}",
            "Version": "6.1.30-1",
            **common,
            "Depends": "initramfs-tools",
            "Description": "a kernel",
        },
        {
            f"boot/vmlinuz-{GENERIC}": b"another kernel",
            f"boot/config-{GENERIC}": Recipe().config.encode(),
            **{f"lib/modules/{GENERIC}/{name}": data for name, data in modules.items()},
        },
        {"postinst": "#!/bin/sh\ndepmod\n"},
    )
    synthetic.deb(
        folder / "pool" / "meta.deb",
        {
            "Package": "linux-image-arm64",
            "Version": "6.1.30-1",
            **common,
            "Depends": f"linux-image-{GENERIC} (= 6.1.30-1)",
            "Description": "the newest kernel",
        },
        {"usr/share/doc/linux-image-arm64/copyright": b"none\n"},
    )
    made.sign()
    return made
