"""The machine that guest images are prepared for, and what its console needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from core.config.base import Architecture

#: By the kernel's name for it, which is also Nova's.
ARCHITECTURE = Architecture.AARCH64

#: The same by Debian's name for it.
DEBIAN_ARCHITECTURE = ARCHITECTURE.debian

#: The kernel module that drives the screen of Nova's VNC console.
DRIVER = "virtio_gpu"

#: The kernel modules of the disk that Nova gives a guest by the properties that kollarm sets
#: (hw_scsi_model, hw_disk_bus): without them in the initramfs, a guest doesn't find its root.
DISK_DRIVERS = ("virtio_pci", "virtio_scsi", "sd_mod")

#: Options of a kernel without which no driver puts text on a screen: a framebuffer on top of DRM, a
#: console on that, and virtual terminals.
SCREEN_OPTIONS = (
    "CONFIG_DRM_FBDEV_EMULATION",
    "CONFIG_FRAMEBUFFER_CONSOLE",
    "CONFIG_VT",
    "CONFIG_VT_CONSOLE",
)

#: The kernel modules of the USB keyboard that Nova gives an ARM guest.
KEYBOARD_DRIVERS = ("xhci_pci", "usbhid", "hid_generic")

#: What UEFI starts by itself, on the EFI system partition (UEFI 2.10, 3.5.1.1).
FALLBACK_LOADER = "EFI/BOOT/BOOTAA64.EFI"


@dataclass(frozen=True)
class GuestMachine:
    """What Nova's machines of an architecture start, and what their screen needs."""

    loader: str
    """What UEFI starts by itself."""
    bios: bool
    """Whether they can start without UEFI."""
    needs_driver: bool
    """Whether the kernel shows nothing on the screen without a driver of its own for it."""


MACHINES: Mapping[str, GuestMachine] = {
    Architecture.AARCH64: GuestMachine(FALLBACK_LOADER, bios=False, needs_driver=True),
    # The virtual graphics card is one of VGA too there.
    Architecture.X86_64: GuestMachine("EFI/BOOT/BOOTX64.EFI", bios=True, needs_driver=False),
}
