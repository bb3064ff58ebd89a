"""What is on the disk, as far as a cloud must know it: from its record, or by a look inside.

Glance takes a disk for another architecture, or one that no UEFI can start, without a
word; the guest then never comes up.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from guestprep.facts import Facts
from guestprep.inspect import inspect
from guestprep.record import Record
from kollarm.errors import UnusableInput

#: What is published: Nova's name of it.
ARCHITECTURE = "aarch64"

#: Whose default user has the distribution's own name, where cloud-init's settings don't tell.
_NAMED_AFTER_THEMSELVES = ("debian", "ubuntu")


@dataclass(frozen=True)
class System:
    """The system of a guest image.

    :param architecture: the kernel's and Nova's name for it; empty when unknown.
    :param uefi: path on the ESP of the loader that UEFI starts by itself; empty when none.
    :param distribution, release: os-release's ID and VERSION_ID.
    :param admin_user: the user that cloud-init makes; empty when unknown.
    """

    architecture: str
    uefi: str
    distribution: str
    release: str
    admin_user: str

    @classmethod
    def of(cls, facts: Facts | Record) -> System:
        """As an image's facts, or the record of its preparation, have it."""
        user = facts.admin_user
        if not user and facts.distribution in _NAMED_AFTER_THEMSELVES:
            user = facts.distribution
        return cls(facts.architecture, facts.uefi, facts.distribution, facts.release, user)


def bootable_system(image: Path, record: Record | None = None) -> System:
    """The system of an image that Nova could start a guest from.

    :param record: of its preparation; without one a launch of the appliance looks inside.
    :raises UnusableInput: there is no system on it that can be read, it is for another
        architecture, or UEFI finds no loader.
    """
    told = record is not None and record.architecture
    system = System.of(record if record is not None and told else inspect(image))
    require_bootable(image, system)
    return system


def require_bootable(image: Path, system: System) -> None:
    """See that an ARM machine could start it.

    :raises UnusableInput: as :func:`bootable_system`.
    """
    if system.architecture != ARCHITECTURE:
        raise UnusableInput(
            f"{image}: its system is for {system.architecture or 'an unknown architecture'}, "
            f"not for {ARCHITECTURE}",
            hint="choose the image's arm64 variant",
        )
    if not system.uefi:
        raise UnusableInput(
            f"{image}: UEFI would find nothing to start: no EFI/BOOT/BOOTAA64.EFI on an ESP",
            hint="an arm64 guest has no BIOS: choose the image's UEFI variant "
            "(Ubuntu 16.04: the file with uefi in its name)",
        )


def architecture_inside(image: Path) -> str | None:
    """The architecture of the system on a disk; None where there is none that can be read."""
    try:
        return inspect(image).architecture or None
    except UnusableInput:
        return None
