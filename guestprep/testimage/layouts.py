"""The layouts of cloud images that test images can have."""

from __future__ import annotations

from dataclasses import dataclass, field

from kollarm.errors import Fault

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


@dataclass(frozen=True)
class Layout:
    """How a release's cloud image is laid out.

    :param name: what the user calls it, a distribution and its release.
    :param codename: the release's, also the suite of the local archive.
    :param os_release: the fields of os-release(5) that name the release.
    :param grub_files: what is in the image below /etc/default, by its path there.
    :param initramfs_compression: as initramfs.conf(5) names it.
    :param virtual_size: of the disk, in MiB.
    """

    name: str
    codename: str
    os_release: dict[str, str] = field(hash=False)
    grub_files: dict[str, str] = field(hash=False)
    initramfs_compression: str = "gzip"
    virtual_size: int = 2252

    def os_release_text(self) -> str:
        """The file /etc/os-release.

        ID and VERSION_ID are the layout's, because tools that prepare images
        choose by them; PRETTY_NAME tells a person what it is.
        """
        return "".join(f'{key}="{value}"\n' for key, value in self.os_release.items())


LAYOUTS = {
    layout.name: layout
    for layout in (
        Layout(
            name="ubuntu-18.04",
            codename="bionic",
            os_release={
                "NAME": "Ubuntu",
                "VERSION": "18.04 LTS (Bionic Beaver)",
                "ID": "ubuntu",
                "ID_LIKE": "debian",
                "PRETTY_NAME": "kollarm test image in the layout of Ubuntu 18.04 LTS",
                "VERSION_ID": "18.04",
                "VERSION_CODENAME": "bionic",
                "UBUNTU_CODENAME": "bionic",
            },
            grub_files={
                "grub": _DEFAULT_GRUB,
                "grub.d/50-cloudimg-settings.cfg": _CLOUDIMG_SETTINGS,
            },
        ),
    )
}

DEFAULT_LAYOUT = "ubuntu-18.04"


def fault(name: str) -> Fault | None:
    """What is wrong with a layout's name, if anything."""
    if name in LAYOUTS:
        return None
    return Fault("--layout", f"there is no layout {name!r}", f"there is: {', '.join(LAYOUTS)}")
