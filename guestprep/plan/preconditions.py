"""What an image must have to be prepared: every obstacle at once, before anything is written."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from enum import StrEnum

from core.errors import Fault, UnusableInput
from guestprep.facts import BootLoader, GuestFacts
from guestprep.plan.loader import add_fallback
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
    NO_MENU = "boot menu"
    UNIFIED = "unified kernel image"
    NO_SCREEN = "no text on a screen"
    UNREADABLE_INITRAMFS = "unreadable initramfs"
    FOREIGN_INITRAMFS = "foreign initramfs"


_REMEDIES = {
    Obstacle.ARCHITECTURE: f"use the distribution's {ARCHITECTURE.debian} image",
    Obstacle.NO_UEFI_LOADER: f"{ARCHITECTURE.debian} guests start through UEFI: run grub-install "
    "--removable in the guest; where the distribution has two images, use the one with uefi in its "
    "name",
    Obstacle.DISTRIBUTION: f"kollarm prepares {' and '.join(KNOWN)} images; the parts that need "
    "no packages can be done alone: --only loading --only initramfs --only grub --only clean",
    Obstacle.NO_KERNEL: "use an image that boots by itself",
    Obstacle.NO_MENU: "kollarm changes the kernel's command line in GRUB's menu, and in boot "
    "loader entries (in /boot/loader/entries or on the ESP): use an image that has them",
    Obstacle.UNIFIED: "its command line is inside that file, which may be signed: make it "
    "anew in the guest, with the consoles in /etc/kernel/cmdline; or use --only",
    Obstacle.NO_SCREEN: "no driver can change that: set the guest's `kernel` to another one, "
    "such as linux-image-generic (Ubuntu) or linux-image-arm64 (Debian)",
    Obstacle.UNREADABLE_INITRAMFS: "the image may be damaged: download it again, or let its own "
    "system rebuild the initramfs",
    Obstacle.FOREIGN_INITRAMFS: "whatever built the image has mixed architectures: rebuild it",
}


def check(
    facts: GuestFacts, parts: Collection[PreparationPart], *, kernel_chosen: bool = False
) -> None:
    """Refuse an image that can't be prepared.

    :param parts: the requested parts; an obstacle to other parts alone doesn't count.
    :param kernel_chosen: whether another kernel is requested than the image has.
    :raises UnusableInput: with one line for each obstacle.
    """
    faults = [
        Fault(obstacle, sentence, _REMEDIES[obstacle])
        for obstacle, sentence in find_obstacles(facts, parts)
        if not (kernel_chosen and obstacle is Obstacle.NO_SCREEN)
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
    elif not facts.uefi and not (PreparationPart.GRUB in parts and add_fallback(facts)):
        there = f", only {', '.join(facts.loaders)}" if facts.loaders else ""
        yield (
            Obstacle.NO_UEFI_LOADER,
            f"it has no EFI system partition with {FALLBACK_LOADER}{there}",
        )
    if facts.distribution not in KNOWN and PreparationPart.PACKAGES in parts:
        name = facts.pretty_name or facts.distribution or "it has no os-release file"
        yield Obstacle.DISTRIBUTION, f"its distribution is not supported: {name}"
    if not facts.kernels and {PreparationPart.PACKAGES, PreparationPart.INITRAMFS} & set(parts):
        yield Obstacle.NO_KERNEL, "no kernel with its modules was found in /boot and /lib/modules"
    if not facts.entries and PreparationPart.GRUB in parts:
        yield from _no_menu(facts)
    if {PreparationPart.LOADING, PreparationPart.INITRAMFS} & set(parts):
        for kernel in facts.booted:
            # One without any graphics is replaced.
            if kernel.drm and kernel.screen_lacks:
                lacking = ", ".join(kernel.screen_lacks)
                yield Obstacle.NO_SCREEN, f"kernel {kernel.version} was built without {lacking}"
    if PreparationPart.INITRAMFS in parts:
        yield from _initramfs_obstacles(facts)


def _no_menu(facts: GuestFacts) -> Iterator[tuple[Obstacle, str]]:
    """Where the command lines are instead, that can't be changed."""
    if facts.unified:
        yield (
            Obstacle.UNIFIED,
            f"it starts a unified kernel image (UKI): {', '.join(facts.unified)}",
        )
    elif facts.loader is BootLoader.SYSTEMD_BOOT:
        yield Obstacle.NO_MENU, "it starts by systemd-boot, which has no entry with a kernel"
    elif facts.grub is not None:
        yield Obstacle.NO_MENU, f"GRUB's menu {facts.grub.config} has no entry with a kernel"
    else:
        yield Obstacle.NO_MENU, "no boot menu with a kernel was found in /boot/grub or /boot/loader"


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
