"""What an image must have to be prepared: every obstacle at once, before anything is written."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

from core.errors import Fault, UnusableInput
from guestprep.facts import BootLoader, GuestFacts
from guestprep.plan.loader import add_fallback
from guestprep.spec import PreparationPart, PreparationSpec
from guestprep.target import ARCHITECTURE, MACHINES

#: Distributions whose layout, boot loader and archives are known here.
KNOWN = ("debian", "ubuntu")


class Obstacle(StrEnum):
    """Why an image can't be prepared."""

    ARCHITECTURE = "architecture"
    NO_LOADER = "boot loader"
    DISTRIBUTION = "distribution"
    NO_KERNEL = "kernel"
    NO_MENU = "boot menu"
    UNIFIED = "unified kernel image"
    REPAIRS = "entry for repairs"
    NO_SCREEN = "no text on a screen"
    UNREADABLE_INITRAMFS = "unreadable initramfs"
    FOREIGN_INITRAMFS = "foreign initramfs"


_REMEDIES = {
    Obstacle.NO_LOADER: f"{ARCHITECTURE.debian} guests start through UEFI: run grub-install "
    "--removable in the guest; where the distribution has two images, use the one with uefi in its "
    "name",
    Obstacle.DISTRIBUTION: f"kollarm prepares {' and '.join(KNOWN)} images; the parts that need "
    "no packages can be done alone: --only loading --only initramfs --only grub --only clean",
    Obstacle.NO_KERNEL: "use an image that boots by itself",
    Obstacle.NO_MENU: "kollarm changes the kernel's command line in GRUB's menu, and in boot "
    "loader entries (in /boot/loader/entries or on the ESP): use an image that has them",
    Obstacle.UNIFIED: "its command line is inside that file, which may be signed: make it "
    "anew in the guest, with the consoles in /etc/kernel/cmdline; or use --only",
    Obstacle.REPAIRS: "such entries are left as they are: name another default in the "
    "image's loader.conf (systemd-boot), or by grub-set-default in the guest (GRUB)",
    Obstacle.NO_SCREEN: "no driver can change that: set the guest's `kernel` to another one, "
    "such as linux-image-generic (Ubuntu) or linux-image-arm64 (Debian)",
    Obstacle.UNREADABLE_INITRAMFS: "the image may be damaged: download it again, or let its own "
    "system rebuild the initramfs",
    Obstacle.FOREIGN_INITRAMFS: "whatever built the image has mixed architectures: rebuild it",
}


def check(facts: GuestFacts, spec: PreparationSpec) -> None:
    """Refuse an image that can't be prepared.

    :param spec: what is requested; an obstacle to other parts alone doesn't count.
    :raises UnusableInput: with one line for each obstacle.
    """
    faults = [
        Fault(obstacle, sentence, _remedy(obstacle, facts, spec))
        for obstacle, sentence in find_obstacles(facts, spec)
    ]
    if not faults:
        return
    first, *others = faults
    raise UnusableInput(
        f"{facts.disk.path} can't be prepared: {first.message}",
        hint=first.hint,
        details="\n".join(map(str, others)) or None,
    )


def _remedy(obstacle: Obstacle, facts: GuestFacts, spec: PreparationSpec) -> str:
    wanted = spec.architecture
    if obstacle is Obstacle.ARCHITECTURE:
        known = facts.architecture in MACHINES
        other = f", or set the guest's `architecture: {facts.architecture}`" if known else ""
        return f"use the distribution's {wanted.debian} image{other}"
    if obstacle is Obstacle.NO_LOADER and MACHINES[wanted].bios:
        return "run grub-install in the guest, for a BIOS or with --removable for UEFI"
    return _REMEDIES[obstacle]


def find_obstacles(facts: GuestFacts, spec: PreparationSpec) -> Iterator[tuple[Obstacle, str]]:
    """Every obstacle to the requested parts, each with a sentence for a person."""
    parts, wanted = spec.parts, spec.architecture
    machine = MACHINES[wanted]
    if facts.architecture != wanted:
        system = (
            f"its system is for {facts.architecture}"
            if facts.architecture
            else ("the architecture of its system is unknown")
        )
        yield Obstacle.ARCHITECTURE, f"{system}; {wanted} ({wanted.debian}) is required"
    elif not (facts.uefi or facts.bios or (PreparationPart.GRUB in parts and add_fallback(facts))):
        there = f", only {', '.join(facts.loaders)}" if facts.loaders else ""
        yield (
            Obstacle.NO_LOADER,
            f"it has no EFI system partition with {machine.loader}{there}"
            + (", and no GRUB for a BIOS" if machine.bios else ""),
        )
    if facts.distribution not in KNOWN and PreparationPart.PACKAGES in parts:
        name = facts.pretty_name or facts.distribution or "it has no os-release file"
        yield Obstacle.DISTRIBUTION, f"its distribution is not supported: {name}"
    for_driver = {PreparationPart.PACKAGES, PreparationPart.INITRAMFS} & set(parts)
    if not facts.kernels and for_driver and machine.needs_driver:
        yield Obstacle.NO_KERNEL, "no kernel with its modules was found in /boot and /lib/modules"
    if PreparationPart.GRUB in parts:
        yield from _menu_obstacles(facts)
    if {PreparationPart.LOADING, PreparationPart.INITRAMFS} & set(parts):
        for kernel in facts.booted:
            # One without any graphics is replaced.
            if kernel.drm and kernel.screen_lacks and not spec.kernel:
                lacking = ", ".join(kernel.screen_lacks)
                yield Obstacle.NO_SCREEN, f"kernel {kernel.version} was built without {lacking}"
    if PreparationPart.INITRAMFS in parts and machine.needs_driver:
        yield from _initramfs_obstacles(facts)


def _menu_obstacles(facts: GuestFacts) -> Iterator[tuple[Obstacle, str]]:
    """What keeps the command line that counts from being changed."""
    started = next((entry for entry in facts.loader_entries if entry.path == facts.started), None)
    if facts.started in facts.unified or (facts.unified and not facts.entries):
        yield (
            Obstacle.UNIFIED,
            f"it starts a unified kernel image (UKI): {', '.join(facts.unified)}",
        )
    elif facts.entries:
        title = facts.grub.repairs if facts.grub is not None else ""
        title = started.title if started is not None and started.rescue else title
        if title:
            yield Obstacle.REPAIRS, f"it starts “{title}” by itself, an entry for repairs"
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
