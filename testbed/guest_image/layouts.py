"""The layouts of test images, each that of a release's cloud image."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

#: The Debian suite that every test image is made of, whatever its layout.
SUITE = "trixie"

#: The settings of Ubuntu's cloud images up to 22.04; they override the same variable in
#: /etc/default/grub.
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

#: The settings of Debian's cloud images, with the other variable, which comes first on the
#: command line.
_DEBIAN_CLOUD = """\
GRUB_TIMEOUT=0
GRUB_CMDLINE_LINUX="console=tty0 console=ttyS0,115200 earlyprintk=ttyS0,115200 consoleblank=0"
"""

#: The files below /etc/default of Ubuntu's cloud images up to 24.04.
_CLOUDIMG_GRUB = {
    "grub": _DEFAULT_GRUB,
    "grub.d/50-cloudimg-settings.cfg": _CLOUDIMG_SETTINGS,
}


class KernelPackages(StrEnum):
    """How the kernel is divided into packages."""

    #: Ubuntu up to 18.04: the screen's driver is in an extra package, not in the image.
    EXTRAS = "extras"
    #: Ubuntu from 20.04 on: the image has all modules.
    WHOLE = "whole"
    #: Debian's genericcloud: a kernel without any graphics driver.
    CLOUD = "cloud"


class InitramfsMaker(StrEnum):
    """What makes its initramfs files."""

    INITRAMFS_TOOLS = "initramfs-tools"
    DRACUT = "dracut"
    #: Ubuntu from 26.04 on: initramfs-tools is there, too, and isn't used.
    DRACUT_BESIDE = "dracut beside initramfs-tools"


class MenuForm(StrEnum):
    """The boot loader, and where it has its menu."""

    #: GRUB with all of it in grub.cfg.
    GRUB = "grub"
    #: GRUB with a file for each entry, by its command blscfg, as in the rpm families.
    GRUB_ENTRIES = "grub-entries"
    #: systemd-boot, with a file for each entry on the EFI system partition.
    SYSTEMD_BOOT = "systemd-boot"


@dataclass(frozen=True)
class ImageLayout:
    """The layout of a release's cloud image."""

    name: str
    """The distribution and its release."""
    codename: str
    """The release's codename, also the suite of the local archive."""
    os_release: dict[str, str] = field(hash=False)
    """The fields of os-release(5)."""
    grub_files: dict[str, str] = field(hash=False)
    """The content of files below /etc/default, by their path there."""
    kernel: KernelPackages = KernelPackages.WHOLE
    """How its kernel is divided into packages."""
    zstd_modules: bool = False
    """Whether its module files are compressed with zstd."""
    initramfs_compression: str = "zstd"
    """The name in initramfs.conf(5)."""
    initramfs: InitramfsMaker = InitramfsMaker.INITRAMFS_TOOLS
    """What makes its initramfs."""
    menu: MenuForm = MenuForm.GRUB
    """Its boot loader, and where that has its menu."""
    separate_boot: bool = False
    """Whether /boot is a partition of its own."""
    labels: bool = True
    """Whether fstab and the boot menu use labels; otherwise they use PARTUUIDs."""
    without_initramfs: bool = False
    """Whether the boot menu first tries to start without an initramfs."""
    virtual_size: int = 2252
    """The size of the disk, in MiB."""
    esp_size: int = 99
    """The size of its EFI system partition, in MiB."""

    def os_release_text(self) -> str:
        """The file /etc/os-release.

        ID and VERSION_ID are the layout's, because tools that prepare images depend on them;
        PRETTY_NAME says that it is a test image.
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


def _debian(kind: str) -> dict[str, str]:
    return {
        "NAME": "Debian GNU/Linux",
        "VERSION": "13 (trixie)",
        "ID": "debian",
        "PRETTY_NAME": f"kollarm test image in the layout of Debian 13 {kind}",
        "VERSION_ID": "13",
        "VERSION_CODENAME": "trixie",
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
        # 20.04 has the same layout, except that its initramfs is compressed with lz4.
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
            os_release=_debian("genericcloud"),
            grub_files={
                "grub": _DEFAULT_GRUB.replace("quiet splash", ""),
                "grub.d/10_cloud.cfg": _DEBIAN_CLOUD,
            },
            kernel=KernelPackages.CLOUD,
            labels=False,
            # The generic kernel with all modules must fit besides the other.
            virtual_size=3072,
        ),
        ImageLayout(
            name="ubuntu-26.04-server",
            codename="resolute",
            os_release=_ubuntu("26.04", "resolute", "Resolute Raccoon"),
            grub_files={"grub": _DEFAULT_GRUB.replace("quiet splash", "console=ttyAMA0")},
            zstd_modules=True,
            initramfs=InitramfsMaker.DRACUT_BESIDE,
            virtual_size=3072,
        ),
        ImageLayout(
            name="rocky-9",
            codename="blue-onyx",
            os_release={
                "NAME": "Rocky Linux",
                "VERSION": "9.6 (Blue Onyx)",
                "ID": "rocky",
                "ID_LIKE": "rhel centos fedora",
                "PRETTY_NAME": "kollarm test image in the layout of Rocky Linux 9.6",
                "VERSION_ID": "9.6",
            },
            grub_files={"grub": 'GRUB_CMDLINE_LINUX="console=ttyS0,115200n8"\n'},
            initramfs=InitramfsMaker.DRACUT,
            menu=MenuForm.GRUB_ENTRIES,
            separate_boot=True,
        ),
        ImageLayout(
            name="debian-13-systemd-boot",
            codename="trixie",
            os_release=_debian("with systemd-boot"),
            grub_files={},
            menu=MenuForm.SYSTEMD_BOOT,
            virtual_size=3072,
            # Two kernels, with an initramfs each.
            esp_size=400,
        ),
    )
}

DEFAULT_LAYOUT = "ubuntu-18.04"
