"""The layouts of cloud images that test images can have."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

#: The Debian suite every test image is made of, whatever it is laid out like.
SUITE = "trixie"

#: Ubuntu's own comment and settings, as its cloud images up to 22.04 have them; the
#: variable is the same as in /etc/default/grub, which it therefore overrides.
_CLOUDIMG_SETTINGS = """\
# Cloud Image specific Grub settings for Generic Cloud Images
# CLOUD_IMG: This file was created/modified by the Cloud Image build process

# Set the recordfail timeout
GRUB_RECORDFAIL_TIMEOUT=0

# Do not wait on grub prompt
GRUB_TIMEOUT=0

# Set the default commandline
GRUB_CMDLINE_LINUX_DEFAULT="console=ttyAMA0"

# Set the grub console type
GRUB_TERMINAL=console
"""

_DEFAULT_GRUB = """\
# If you change this file, run 'update-grub' afterwards to update
# /boot/grub/grub.cfg.
GRUB_DEFAULT=0
GRUB_TIMEOUT_STYLE=hidden
GRUB_TIMEOUT=0
GRUB_DISTRIBUTOR=`( . /etc/os-release; echo ${NAME} ) 2>/dev/null || echo Debian`
GRUB_CMDLINE_LINUX_DEFAULT="quiet splash"
GRUB_CMDLINE_LINUX=""
"""

#: Debian's cloud images set the other variable, which comes before the default one's words.
_DEBIAN_CLOUD = """\
GRUB_TIMEOUT=0
GRUB_CMDLINE_LINUX="console=tty0 console=ttyS0,115200 earlyprintk=ttyS0,115200 consoleblank=0"
"""

#: What the layouts of Ubuntu up to 24.04 have below /etc/default.
_CLOUDIMG_GRUB = {
    "grub": _DEFAULT_GRUB,
    "grub.d/50-cloudimg-settings.cfg": _CLOUDIMG_SETTINGS,
}


class KernelPackages(StrEnum):
    """How the kernel comes in packages."""

    #: Ubuntu up to 18.04: the screen's driver is in an extra package, not in the image.
    EXTRAS = "extras"
    #: Ubuntu from 20.04 on: the modules package has it.
    WHOLE = "whole"
    #: Debian's genericcloud: a kernel built without any graphics driver.
    CLOUD = "cloud"


@dataclass(frozen=True)
class ImageLayout:
    """How a release's cloud image is laid out."""

    name: str
    """What the user calls it, a distribution and its release."""
    codename: str
    """The release's, also the suite of the local archive."""
    os_release: dict[str, str] = field(hash=False)
    """The fields of os-release(5) that name the release."""
    grub_files: dict[str, str] = field(hash=False)
    """What is in the image below /etc/default, by its path there."""
    kernel: KernelPackages = KernelPackages.WHOLE
    """How its kernel comes in packages."""
    zstd_modules: bool = False
    """Whether module files are compressed."""
    initramfs_compression: str = "zstd"
    """As initramfs.conf(5) names it."""
    separate_boot: bool = False
    """Whether /boot is a partition of its own."""
    labels: bool = True
    """Whether fstab and the menu name file systems by label, else by PARTUUID."""
    without_initramfs: bool = False
    """Whether the menu first tries to start without an initramfs."""
    virtual_size: int = 2252
    """Of the disk, in MiB."""

    def os_release_text(self) -> str:
        """The file /etc/os-release.

        ID and VERSION_ID are the layout's, because tools that prepare images
        choose by them; PRETTY_NAME tells a person what it is.
        """
        return "".join(f'{key}="{value}"\n' for key, value in self.os_release.items())


def _ubuntu(version: str, codename: str, full_name: str) -> dict[str, str]:
    return {
        "NAME": "Ubuntu",
        "VERSION": f"{version} LTS ({full_name})",
        "ID": "ubuntu",
        "ID_LIKE": "debian",
        "PRETTY_NAME": f"kollarm test image in the layout of Ubuntu {version} LTS",
        "VERSION_ID": version,
        "VERSION_CODENAME": codename,
        "UBUNTU_CODENAME": codename,
    }


LAYOUTS = {
    layout.name: layout
    for layout in (
        ImageLayout(
            name="ubuntu-18.04",
            codename="bionic",
            os_release=_ubuntu("18.04", "bionic", "Bionic Beaver"),
            grub_files=_CLOUDIMG_GRUB,
            kernel=KernelPackages.EXTRAS,
            initramfs_compression="gzip",
        ),
        # 20.04's is the same but for the initramfs, which is an lz4 one there.
        ImageLayout(
            name="ubuntu-22.04",
            codename="jammy",
            os_release=_ubuntu("22.04", "jammy", "Jammy Jellyfish"),
            grub_files=_CLOUDIMG_GRUB,
        ),
        ImageLayout(
            name="ubuntu-24.04",
            codename="noble",
            os_release=_ubuntu("24.04", "noble", "Noble Numbat"),
            grub_files=_CLOUDIMG_GRUB,
            zstd_modules=True,
            separate_boot=True,
        ),
        ImageLayout(
            name="ubuntu-26.04",
            codename="resolute",
            os_release=_ubuntu("26.04", "resolute", "Resolute Raccoon"),
            grub_files={
                "grub": _DEFAULT_GRUB.replace("quiet splash", "console=ttyAMA0"),
                "grub.d/40-force-partuuid.cfg": (
                    "# Try to start without an initramfs: quicker where the kernel can do it.\n"
                    "GRUB_FORCE_PARTUUID=@PARTUUID@\n"
                ),
            },
            zstd_modules=True,
            without_initramfs=True,
        ),
        ImageLayout(
            name="debian-13-genericcloud",
            codename="trixie",
            os_release={
                "NAME": "Debian GNU/Linux",
                "VERSION": "13 (trixie)",
                "ID": "debian",
                "PRETTY_NAME": "kollarm test image in the layout of Debian 13 genericcloud",
                "VERSION_ID": "13",
                "VERSION_CODENAME": "trixie",
            },
            grub_files={
                "grub": _DEFAULT_GRUB.replace("quiet splash", ""),
                "grub.d/10_cloud.cfg": _DEBIAN_CLOUD,
            },
            kernel=KernelPackages.CLOUD,
            labels=False,
            # The generic kernel with all its modules is to have room beside the other.
            virtual_size=3072,
        ),
    )
}

DEFAULT_LAYOUT = "ubuntu-18.04"
