"""The kernel that the configuration asks for, in the place of all others: pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from core.errors import UnusableInput
from guestprep.archive.package import ArchivePackage
from guestprep.archive.resolve import AvailablePackages, resolve
from guestprep.facts import BootLoader, DriverLocation, GuestFacts, KernelFacts
from guestprep.parse.dpkg import DpkgStatus
from guestprep.parse.modules import kernel_order
from guestprep.plan.extras import newest_package
from guestprep.plan.kernel import install_drivers
from guestprep.plan.kernel_replacement import IMAGE, newest, own_packages
from guestprep.plan.model import InstallStep, PlanItem, ReplaceStep


def install_kernel(
    name: str, facts: GuestFacts, status: DpkgStatus, available: AvailablePackages
) -> list[PlanItem]:
    """Have the guest boot the kernel of a package, and no other.

    :param name: of the kernel's package, or of one that depends on it.
    :raises UnusableInput: no archive has it, or the guest can't be made to boot it.
    """
    packages: tuple[ArchivePackage, ...] = ()
    if status.installed(name) is None:
        packages = resolve([newest_package(name, available)], available, status).require(name)
    version = kernel_of(name, packages, status)
    present = [kernel for kernel in facts.kernels if kernel.version == version]
    others = [kernel for kernel in facts.kernels if kernel.version != version]
    reason = f"the configuration requests the kernel of {name}"
    items: list[PlanItem] = []
    if packages and (present or not others):
        with_driver = any(kernel.gpu is DriverLocation.MISSING for kernel in present)
        items.append(InstallStep(reason, packages, (name,), version if with_driver else ""))
        packages = ()
    elif present:
        items += install_drivers(replace(facts, kernels=tuple(present)), status, available)
        if any(isinstance(item, ReplaceStep) for item in items):
            raise UnusableInput(
                f"kernel {version} of {name} has no graphics driver",
                hint="request another kernel, or leave `kernel` out",
            )
    if not others:
        return items
    if facts.loader is not BootLoader.GRUB:
        raise UnusableInput(
            f"{name} can't be booted instead of {others[0].version}: {facts.loader} has its "
            "kernels on the EFI system partition, where the guest's own tools put them",
            hint="install the kernel in the image with these tools, or leave `kernel` out",
        )
    booted = [kernel for kernel in facts.booted if kernel in others]
    old = newest(booted or others)
    step = ReplaceStep(
        reason=reason,
        packages=packages,
        manual=(name,) if packages else (),
        kernel=version,
        old=old.version,
        remove=_outranking(others, version, status),
        others=tuple(kernel.version for kernel in others if kernel is not old),
    )
    settled = not packages and not booted and not step.remove
    return items if settled else [*items, step]


def kernel_of(name: str, packages: Sequence[ArchivePackage], status: DpkgStatus) -> str:
    """The version of the kernel that comes with a package.

    :param packages: what is installed with it; none where it is installed already.
    :raises UnusableInput: it isn't a kernel's package, and depends on none.
    """
    names, seen = [name], set[str]()
    new = {entry.name: entry for entry in packages}
    while names:
        found = names.pop(0)
        if match := IMAGE.match(found):
            return match["version"]
        present = status.installed(found)
        needs = present.needs if present else frozenset()
        if entry := new.get(found):
            groups = (group for key in _NEEDED for group in entry.relations.get(key, ()))
            needs = frozenset(one.name for group in groups for one in group)
        known = [need for need in sorted(needs) if need in new or status.installed(need)]
        names += [need for need in known if need not in seen]
        seen |= set(known)
    raise UnusableInput(
        f"{name} is not a kernel's package, and depends on none",
        hint="set the guest's `kernel` to a package such as linux-image-generic",
    )


_NEEDED = ("Pre-Depends", "Depends")


def _outranking(others: Sequence[KernelFacts], version: str, status: DpkgStatus) -> tuple[str, ...]:
    """Packages of the kernels that GRUB would put before this one.

    :raises UnusableInput: one can't be removed.
    """
    names: set[str] = set()
    for kernel in others:
        if kernel_order(kernel.version) < kernel_order(version):
            continue
        own = own_packages(kernel, status)
        if not own:
            raise UnusableInput(
                f"GRUB's next menu would start kernel {kernel.version} again instead of {version}, "
                "and it can't be removed: no package owns it, or another one needs it",
                hint="remove that kernel in the image, or leave `kernel` out",
            )
        names |= set(own)
    return tuple(sorted(names))
