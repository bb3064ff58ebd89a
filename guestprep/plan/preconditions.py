"""What an image must have to be prepared: every obstacle at once, before anything is written."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from enum import StrEnum

from core.errors import Fault, UnusableInput
from guestprep.facts import GuestFacts
from guestprep.spec import PreparationPart
from guestprep.target import ARCHITECTURE, FALLBACK_LOADER

#: Distributions whose layout, boot loader and archives are known here.
KNOWN = ("debian", "ubuntu")


class Obstacle(StrEnum):
    """Why an image can't be prepared."""

    ARCHITECTURE = "architecture"
    NO_UEFI_LOADER = "UEFI boot loader"
    DISTRIBUTION = "distribution"
    NO_KERNEL = "kernel"
    NO_GRUB_MENU = "GRUB menu"
    UNREADABLE_INITRAMFS = "unreadable initramfs"
    FOREIGN_INITRAMFS = "foreign initramfs"


_REMEDIES = {
    Obstacle.ARCHITECTURE: f"use the distribution's {ARCHITECTURE.debian} image",
    Obstacle.NO_UEFI_LOADER: f"{ARCHITECTURE.debian} guests start through UEFI: where the "
    "distribution has two images, use the one with uefi in its name",
    Obstacle.DISTRIBUTION: f"kollarm prepares {' and '.join(KNOWN)} images; the parts that need "
    "no packages can be done alone: --only loading --only initramfs --only grub --only clean",
    Obstacle.NO_KERNEL: "use an image that boots by itself",
    Obstacle.NO_GRUB_MENU: "kollarm changes the kernel's command line through GRUB: use an image "
    "that boots with it",
    Obstacle.UNREADABLE_INITRAMFS: "the image may be damaged: download it again, or let its own "
    "system rebuild the initramfs",
    Obstacle.FOREIGN_INITRAMFS: "whatever built the image has mixed architectures: rebuild it",
}


def check(facts: GuestFacts, parts: Collection[PreparationPart]) -> None:
    """Refuse an image that can't be prepared.

    :param parts: the requested parts; an obstacle to other parts alone doesn't count.
    :raises UnusableInput: with one line for each obstacle.
    """
    faults = [
        Fault(obstacle, sentence, _REMEDIES[obstacle])
        for obstacle, sentence in find_obstacles(facts, parts)
    ]
    if not faults:
        return
    first, *others = faults
    raise UnusableInput(
        f"{facts.disk.path} can't be prepared: {first.message}",
        hint=first.hint,
        details="\n".join(map(str, others)) or None,
    )


def find_obstacles(
    facts: GuestFacts, parts: Collection[PreparationPart]
) -> Iterator[tuple[Obstacle, str]]:
    """Every obstacle to the requested parts, each with a sentence for a person."""
    if facts.architecture != ARCHITECTURE:
        system = (
            f"its system is for {facts.architecture}"
            if facts.architecture
            else ("the architecture of its system is unknown")
        )
        yield Obstacle.ARCHITECTURE, f"{system}; {ARCHITECTURE} ({ARCHITECTURE.debian}) is required"
    elif not facts.uefi:
        yield Obstacle.NO_UEFI_LOADER, f"it has no EFI system partition with {FALLBACK_LOADER}"
    if facts.distribution not in KNOWN and PreparationPart.PACKAGES in parts:
        name = facts.pretty_name or facts.distribution or "it has no os-release file"
        yield Obstacle.DISTRIBUTION, f"its distribution is not supported: {name}"
    if not facts.kernels and {PreparationPart.PACKAGES, PreparationPart.INITRAMFS} & set(parts):
        yield Obstacle.NO_KERNEL, "no kernel with its modules was found in /boot and /lib/modules"
    if (facts.grub is None or not facts.grub.entries) and PreparationPart.GRUB in parts:
        yield Obstacle.NO_GRUB_MENU, "no GRUB menu with a kernel was found in /boot/grub"
    if PreparationPart.INITRAMFS in parts:
        yield from _initramfs_obstacles(facts)


def _initramfs_obstacles(facts: GuestFacts) -> Iterator[tuple[Obstacle, str]]:
    for ramfs in (kernel.initramfs for kernel in facts.booted):
        if ramfs is None:
            continue
        if ramfs.fault:
            yield Obstacle.UNREADABLE_INITRAMFS, f"{ramfs.path} can't be read: {ramfs.fault}"
        others = sorted(set(ramfs.programs) - {facts.architecture})
        if others:
            yield (
                Obstacle.FOREIGN_INITRAMFS,
                f"{ramfs.path} has programs for {', '.join(others)}, which can't run on "
                f"{facts.architecture or 'the guest'}: it would never boot",
            )
