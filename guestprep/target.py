"""The machine that guest images are prepared for, and what its console needs."""

from __future__ import annotations

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
