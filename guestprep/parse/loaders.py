"""The boot loaders of an installed system, by their files on the ESP."""

from __future__ import annotations

from collections.abc import Sequence

#: What UEFI starts instead of the fallback loader where its settings name it, best first: shim,
#: which starts the GRUB beside it; GRUB by itself; systemd-boot.
STARTED = ("shimaa64.efi", "grubaa64.efi", "systemd-bootaa64.efi")

#: What shim starts, from the folder that it is in itself.
BESIDE_SHIM = ("grubaa64.efi", "mmaa64.efi")


def own_loader(loaders: Sequence[str]) -> str:
    """The loader of the installed system, of all programs on an ESP; empty without one.

    :param loaders: their paths, such as ``EFI/debian/grubaa64.efi``.
    """
    for first in STARTED:
        for path in loaders:
            folder, _, name = path.rpartition("/")
            if name.lower() != first or folder.upper() == "EFI/BOOT":
                continue
            if first != STARTED[0] or beside(loaders, folder, BESIDE_SHIM[0]):
                return path
    return ""


def beside(loaders: Sequence[str], folder: str, name: str) -> str:
    """The program of that name in a folder, without regard to case; empty without one."""
    return next((path for path in loaders if path.lower() == f"{folder}/{name}".lower()), "")
