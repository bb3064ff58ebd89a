"""Images that can't be prepared as requested: every reason at once, before anything is written."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from core.errors import Fault, UnusableInput
from guestprep.facts import GuestFacts
from guestprep.spec import PreparationPart
from guestprep.target import ARCHITECTURE, DEBIAN_ARCHITECTURE, FALLBACK_LOADER

#: Distributions whose layout, boot loader and archives are known here.
KNOWN = ("debian", "ubuntu")


def check(facts: GuestFacts, parts: Collection[PreparationPart]) -> None:
    """Refuse what can't be prepared.

    :param parts: what is asked for; what only other parts need stands in nobody's way.
    :raises UnusableInput: with one line for each reason.
    """
    faults = [*_of_image(facts, parts), *_of_parts(facts, parts)]
    if not faults:
        return
    first = faults[0]
    raise UnusableInput(
        f"{facts.disk.path} can't be prepared: {first.message}",
        hint=first.hint,
        details="\n".join(str(fault) for fault in faults[1:]) or None,
    )


def _of_image(facts: GuestFacts, parts: Collection[PreparationPart]) -> Iterator[Fault]:
    if facts.architecture != ARCHITECTURE:
        what = f"an {facts.architecture}" if facts.architecture else "no known"
        yield Fault(
            "architecture",
            f"it is {what} system, not an {DEBIAN_ARCHITECTURE} one",
            f"use the distribution's {DEBIAN_ARCHITECTURE} image",
        )
    elif not facts.uefi:
        yield Fault(
            "boot",
            f"no UEFI boot path: no EFI system partition with {FALLBACK_LOADER}",
            f"{DEBIAN_ARCHITECTURE} guests start through UEFI: use the image with uefi in its "
            "name, where there are two",
        )
    if facts.distribution not in KNOWN and PreparationPart.PACKAGES in parts:
        yield Fault(
            "distribution",
            "its distribution is unknown: "
            f"{facts.pretty_name or facts.distribution or 'no os-release'}",
            f"kollarm prepares {' and '.join(KNOWN)} images; what needs no packages can be "
            "done alone: --only loading --only initramfs --only grub --only clean",
        )


def _of_parts(facts: GuestFacts, parts: Collection[PreparationPart]) -> Iterator[Fault]:
    if not facts.kernels and {PreparationPart.PACKAGES, PreparationPart.INITRAMFS} & set(parts):
        yield Fault(
            "kernel",
            "no kernel with its modules found in /boot and /lib/modules",
            "use an image that boots by itself",
        )
    if (facts.grub is None or not facts.grub.entries) and PreparationPart.GRUB in parts:
        yield Fault(
            "boot loader",
            "no GRUB menu with a kernel found in /boot/grub",
            "kollarm changes the kernel's command line through GRUB",
        )
    if PreparationPart.INITRAMFS not in parts:
        return
    for kernel in facts.booted:
        ramfs = kernel.initramfs
        if ramfs is not None and ramfs.fault:
            yield Fault("initramfs", f"{ramfs.path} can't be read: {ramfs.fault}")
        others = sorted(set(ramfs.programs) - {facts.architecture}) if ramfs is not None else []
        if ramfs is not None and others:
            yield Fault(
                "initramfs",
                f"{ramfs.path} has programs for {', '.join(others)}, which can't run on "
                f"{facts.architecture or 'the guest'}: it would never start",
                "whatever made the image has mixed architectures: make it anew",
            )
