"""Steps that give a kernel the driver for its screen: packages, initramfs, loading."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from core.errors import UnusableInput
from guestprep.archive.package import ArchivePackage
from guestprep.archive.resolve import AvailablePackages, resolve
from guestprep.facts import DriverLocation, GuestFacts, InitramfsKind, KernelFacts
from guestprep.parse.dpkg import DpkgStatus
from guestprep.parse.modules import kernel_order
from guestprep.plan import guest_files
from guestprep.plan.kernel_replacement import merged, newest, replacement, switch
from guestprep.plan.model import (
    AlreadySatisfied,
    FileStep,
    InitramfsStep,
    InstallStep,
    PlanItem,
    ReplaceStep,
)
from guestprep.target import DRIVER

#: Packages with the modules that a cloud image's kernel leaves out, newest scheme first:
#: Ubuntu from 18.04 to 25.10, and 16.04.
_EXTRAS = ("linux-modules-extra-{version}", "linux-image-extra-{version}")

#: The package that brings the extras for each new kernel of a "virtual" image.
_META = "linux-image-extra-virtual"

#: Names of packages for one kernel, whose version they contain.
_KERNEL_PACKAGE = re.compile(r"^linux-(image|modules)(-unsigned|-extra)?-[0-9]")


def install_drivers(
    facts: GuestFacts, status: DpkgStatus, available: AvailablePackages
) -> list[PlanItem]:
    """Install the packages with the driver for the kernels that have none.

    A kernel for which there are none is replaced by one with the driver (a :class:`ReplaceStep`);
    several are replaced by the same one, in one step.

    :raises UnusableInput: no archive has the driver for a kernel or another one.
    """
    items: list[PlanItem] = []
    steps: dict[str, InstallStep] = {}
    planned: set[str] = set()
    # The newest first: another kernel's initramfs is made from its.
    for kernel in sorted(facts.booted, key=lambda entry: kernel_order(entry.version), reverse=True):
        item = _install_driver(kernel, facts, status, available)
        if isinstance(item, AlreadySatisfied):
            items.append(item)
            continue
        earlier = steps.get(item.kernel)
        if isinstance(item, ReplaceStep) and isinstance(earlier, ReplaceStep):
            steps[item.kernel] = merged(earlier, item)
            continue
        # No package is installed twice.
        packages = tuple(entry for entry in item.packages if entry.name not in planned)
        planned |= {entry.name for entry in packages}
        steps[item.kernel] = replace(item, packages=packages)
    return [*items, *steps.values()]


def _install_driver(
    kernel: KernelFacts, facts: GuestFacts, status: DpkgStatus, available: AvailablePackages
) -> InstallStep | AlreadySatisfied:
    topic = f"modules of {kernel.version}"
    if kernel.gpu is DriverLocation.BUILTIN:
        return AlreadySatisfied(topic, f"{DRIVER} is built into the kernel")
    if kernel.gpu is DriverLocation.MODULE:
        return AlreadySatisfied(topic, f"{DRIVER} is already in {_holder(kernel, status)}")
    extra = _extra(kernel, available)
    if extra is None:
        return _other_kernel(kernel, facts, status, available)
    reason = f"kernel {kernel.version} has no {DRIVER}; {extra.name} provides it"
    meta = _meta(kernel, extra, status, available)
    wanted = (extra,) if meta is None else (extra, meta)
    packages = resolve(wanted, available, status).require(extra.name)
    if meta is not None:
        reason += f"; {_META} provides it for later kernels"
    return InstallStep(
        reason=reason,
        packages=packages,
        manual=(extra.name,) if meta is None else (meta.name,),
        kernel=kernel.version,
    )


def _other_kernel(
    kernel: KernelFacts, facts: GuestFacts, status: DpkgStatus, available: AvailablePackages
) -> ReplaceStep:
    """Boot a kernel with the driver instead: one that is there, or one of the archives."""
    present = [entry for entry in facts.booted if entry.gpu is not DriverLocation.MISSING]
    if present and not kernel.drm:
        return switch(kernel, newest(present), status)
    found = replacement(kernel, facts.distribution, status, available)
    if not isinstance(found, str):
        return found
    if present:
        return switch(kernel, newest(present), status)
    raise _no_driver(kernel, found)


def _holder(kernel: KernelFacts, status: DpkgStatus) -> str:
    """The packages with a kernel's modules, for a person."""
    schemes = ("linux-modules-{version}", *_EXTRAS)
    names = [scheme.format(version=kernel.version) for scheme in schemes]
    kinds = [name.removesuffix(f"-{kernel.version}") for name in names if status.installed(name)]
    return " or ".join(kinds) or kernel.package or "the image"


def _extra(kernel: KernelFacts, available: AvailablePackages) -> ArchivePackage | None:
    """The package with the missing modules, if possible of the same build as the kernel."""
    for scheme in _EXTRAS:
        candidates = available.candidates(scheme.format(version=kernel.version))
        same = [entry for entry in candidates if entry.version == kernel.package_version]
        if same or candidates:
            # The name contains the kernel's ABI: another version of the package fits it too.
            return (same or list(candidates))[0]
    return None


def _meta(
    kernel: KernelFacts, extra: ArchivePackage, status: DpkgStatus, available: AvailablePackages
) -> ArchivePackage | None:
    """The meta package, if the archive has it for exactly this kernel."""
    if status.installed(_META):
        return None
    for candidate in available.candidates(_META):
        resolution = resolve((extra, candidate), available, status)
        others = [
            package
            for package in resolution.packages
            if _KERNEL_PACKAGE.match(package.name) and not package.name.endswith(kernel.version)
        ]
        if resolution.packages and not others:
            return candidate
    return None


def _no_driver(kernel: KernelFacts, no_replacement: str) -> UnusableInput:
    names = " or ".join(scheme.format(version=kernel.version) for scheme in _EXTRAS)
    why = (
        "can't have a graphics driver (CONFIG_DRM is off)" if not kernel.drm else f"has no {DRIVER}"
    )
    return UnusableInput(
        f"kernel {kernel.version} {why}, and no archive has {names}",
        hint="use a newer image, or add an archive that has one of them to the guest's `archives`",
        details=f"no other kernel can be installed instead: {no_replacement}",
    )


def add_to_initramfs(
    kernel: KernelFacts, installs: Sequence[InstallStep]
) -> InitramfsStep | AlreadySatisfied:
    """Add the driver to a kernel's initramfs where it is missing.

    :param installs: the steps that install modules.
    """
    topic = f"initramfs of {kernel.version}"
    for step in installs:
        if isinstance(step, ReplaceStep) and kernel.version in step.replaced:
            return _initramfs_instead(kernel, step)
    if kernel.gpu is DriverLocation.BUILTIN:
        return AlreadySatisfied(topic, f"{DRIVER} is built into the kernel")
    ramfs = kernel.initramfs
    if ramfs is None:
        return AlreadySatisfied(topic, "the kernel has no initramfs")
    missing = sorted(kernel.required - set(ramfs.modules))
    if any(step.kernel == kernel.version and step.packages for step in installs):
        reason = f"the packages provide {DRIVER}, and the screen should work early during boot"
    elif kernel.gpu is DriverLocation.MISSING:
        return AlreadySatisfied(topic, f"the kernel has no {DRIVER} to add")
    elif missing:
        reason = f"it doesn't have {', '.join(missing)}"
    elif DRIVER not in ramfs.indexed:
        reason = f"its modules.dep doesn't list {DRIVER}"
    elif DRIVER not in ramfs.loads and ramfs.kind is not InitramfsKind.UNKNOWN:
        reason = f"it has {DRIVER}, but isn't configured to load it"
    else:
        return AlreadySatisfied(topic, f"it has {DRIVER} and all modules it needs, and loads it")
    return InitramfsStep(reason=reason, path=ramfs.path, kernel=kernel.version)


def _initramfs_instead(kernel: KernelFacts, step: ReplaceStep) -> InitramfsStep | AlreadySatisfied:
    """The initramfs of the kernel that is booted instead of this one."""
    if not step.packages or kernel.version != step.old:
        return AlreadySatisfied(
            f"initramfs of {kernel.version}", f"kernel {step.kernel} is booted instead"
        )
    if kernel.initramfs is None:
        raise UnusableInput(
            f"kernel {kernel.version} has no initramfs to create one for {step.kernel} from",
            hint="use an image with an initramfs",
        )
    return InitramfsStep(
        reason=f"kernel {step.kernel} needs an initramfs of its own, also for drivers that "
        f"{kernel.version} has built in",
        path=f"/boot/initrd.img-{step.kernel}",
        kernel=step.kernel,
        based_on=kernel.initramfs.path,
    )


def load_driver(facts: GuestFacts) -> list[PlanItem]:
    """Configure the running system and later kernels to load the driver."""
    if facts.booted and all(kernel.gpu is DriverLocation.BUILTIN for kernel in facts.booted):
        return [AlreadySatisfied("loading", f"{DRIVER} is built into every kernel")]
    items: list[PlanItem] = []
    if DRIVER in facts.modules_load:
        items.append(AlreadySatisfied("loading", f"{DRIVER} is already loaded at every boot"))
    else:
        why = f"{DRIVER} must be loaded even if the initramfs doesn't load it"
        if facts.grub is not None and facts.grub.force_partuuid:
            why = "the image may boot without its initramfs (GRUB_FORCE_PARTUUID)"
        items.append(FileStep(why, guest_files.MODULES_LOAD, guest_files.modules_load()))
    wanted = guest_files.hook(facts.tools)
    if facts.initramfs_hook:
        items.append(AlreadySatisfied("later kernels", f"their initramfs will also have {DRIVER}"))
    elif wanted is not None:
        path, content, mode = wanted
        items.append(
            FileStep(f"the initramfs of later kernels must also have {DRIVER}", path, content, mode)
        )
    else:
        items.append(
            AlreadySatisfied("later kernels", "the image has no tools to build an initramfs")
        )
    return items
