"""What system an image has, without its kernels: a few files, read in a second."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from core import progress
from guestprep.appliance import Drive, launch_appliance
from guestprep.inspect.collect import boot_sector, program_head, read_folder, read_text
from guestprep.inspect.layout import find_layout
from guestprep.parse.cloudcfg import default_user
from guestprep.parse.elf import elf_architecture
from guestprep.parse.text import os_release
from guestprep.source import disk_facts
from guestprep.target import MACHINES

RELEASE_FILES = ("/etc/os-release", "/usr/lib/os-release")

#: cloud-init's settings, and the folder of those that come after them.
CLOUD_CFG, CLOUD_CFG_D = "/etc/cloud/cloud.cfg", "/etc/cloud/cloud.cfg.d"


@dataclass(frozen=True)
class Identity:
    """Which system an image has."""

    architecture: str
    """The kernel's and Nova's name for it; empty when unknown."""
    uefi: str
    """Path on the ESP of the loader that UEFI starts by default; empty when there is none."""
    distribution: str
    """ID in os-release."""
    release: str
    """VERSION_ID in os-release."""
    admin_user: str
    """The user that cloud-init creates; empty when it names none."""
    bios: bool = False
    """Whether the disk starts with GRUB for machines without UEFI."""


def identify(path: Path) -> Identity:
    """Identify the system of an image file, which is opened for reading only.

    :raises UnusableInput: the file is missing, damaged, not a disk, or has no readable system.
    :raises ApplianceError: libguestfs's appliance doesn't start.
    """
    disk = disk_facts(path)
    with (
        launch_appliance([Drive(Path(disk.path), disk.format)]) as appliance,
        progress.current().step("look inside") as step,
    ):
        layout = find_layout(appliance)
        texts: dict[str, str] = {}
        for name in (*RELEASE_FILES, CLOUD_CFG):
            read_text(appliance, name, texts)
        read_folder(appliance, CLOUD_CFG_D, appliance.list_directory(CLOUD_CFG_D), texts)
        release = release_of(texts)
        step.note(release.get("PRETTY_NAME", ""))
        architecture = elf_architecture(program_head(appliance))
        return Identity(
            architecture=architecture,
            uefi=uefi_loader(architecture, layout.loader),
            distribution=release.get("ID", ""),
            release=release.get("VERSION_ID", ""),
            admin_user=admin_user(texts),
            bios=starts_by_bios(architecture, boot_sector(appliance, architecture)),
        )


def uefi_loader(architecture: str, found: str) -> str:
    """The loader that UEFI starts by itself, if it is the architecture's; else nothing."""
    machine = MACHINES.get(architecture)
    return found if machine and found.upper() == machine.loader else ""


def starts_by_bios(architecture: str, sector: bytes) -> bool:
    """Whether a BIOS finds GRUB in a disk's first sector (its boot.S has the name in it)."""
    machine = MACHINES.get(architecture)
    return machine is not None and machine.bios and b"GRUB" in sector


def release_of(texts: Mapping[str, str]) -> dict[str, str]:
    """os-release's variables, out of a guest's files by path."""
    return os_release(next((texts[name] for name in RELEASE_FILES if texts.get(name)), ""))


def admin_user(texts: Mapping[str, str]) -> str:
    """The user that cloud-init makes, out of a guest's files by path; empty when none."""
    return default_user(cloud_settings(texts))


def cloud_settings(texts: Mapping[str, str]) -> list[str]:
    """cloud-init's settings, out of a guest's files by path, in the order in which they count."""
    dropped_in = sorted(
        path for path in texts if path.startswith(f"{CLOUD_CFG_D}/") and path.endswith(".cfg")
    )
    return [texts.get(path, "") for path in (CLOUD_CFG, *dropped_in)]
