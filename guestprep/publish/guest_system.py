"""The system on a disk, as far as a cloud must know it: from its record, or from the disk.

Glance accepts a disk for another architecture, or one that UEFI can't start, without a warning;
the guest then never comes up.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from core.errors import UnusableInput
from guestprep.inspect import Identity, identify
from guestprep.record import PreparationRecord
from guestprep.target import DEBIAN_ARCHITECTURE, FALLBACK_LOADER, MACHINES

#: Distributions whose default user has their own name, where cloud-init's settings name none.
_NAMED_AFTER_THEMSELVES = ("debian", "ubuntu")


def recorded(record: PreparationRecord) -> Identity:
    """The system of an image, as the record of its preparation has it."""
    return Identity(
        record.architecture,
        record.uefi,
        record.distribution,
        record.release,
        record.admin_user,
        record.bios,
    )


def bootable_system(image: Path, record: PreparationRecord | None = None) -> Identity:
    """The system of an image that Nova could start a guest from.

    :param record: of its preparation; without one, the appliance is launched to look inside.
    :raises UnusableInput: there is no system on it that can be read, it is for another
        architecture, or UEFI finds no loader.
    """
    system = recorded(record) if record and record.architecture else identify(image)
    require_bootable(image, system)
    if not system.admin_user and system.distribution in _NAMED_AFTER_THEMSELVES:
        system = replace(system, admin_user=system.distribution)
    return system


def require_bootable(image: Path, system: Identity) -> None:
    """Check that one of Nova's machines could start it.

    :raises UnusableInput: as :func:`bootable_system`.
    """
    machine = MACHINES.get(system.architecture)
    if machine is None:
        raise UnusableInput(
            f"{image}: its system is for {system.architecture or 'an unknown architecture'}, "
            f"not for {' or '.join(MACHINES)}",
            hint="choose the image's arm64 or amd64 variant",
        )
    if machine.bios and not (system.uefi or system.bios):
        raise UnusableInput(
            f"{image}: nothing starts it: no {machine.loader} on an ESP, and no GRUB for a BIOS",
            hint="choose an image that boots by itself",
        )
    if not machine.bios and not system.uefi:
        raise UnusableInput(
            f"{image}: UEFI would find nothing to start: no {FALLBACK_LOADER} on an ESP",
            hint=f"an {DEBIAN_ARCHITECTURE} guest has no BIOS: choose the image's UEFI variant "
            "(Ubuntu 16.04: the file with uefi in its name)",
        )


def firmware(system: Identity) -> dict[str, str]:
    """The property that a guest of this system needs where its machines can start by a BIOS."""
    machine = MACHINES[system.architecture]
    return {"hw_firmware_type": "uefi"} if machine.bios and not system.bios else {}


def architecture_inside(image: Path) -> str | None:
    """The architecture of the system on a disk; None where there is none that can be read."""
    try:
        return identify(image).architecture or None
    except UnusableInput:
        return None
