"""Steps that give a kernel its virtio_gpu: packages, initramfs, loading."""

from __future__ import annotations

import re
from collections.abc import Sequence

from core.errors import UnusableInput
from guestprep.archive.package import ArchivePackage
from guestprep.archive.resolve import AvailablePackages, resolve
from guestprep.facts import DriverLocation, GuestFacts, InitramfsKind, KernelFacts
from guestprep.parse.dpkg import DpkgStatus
from guestprep.parse.modules import module_name
from guestprep.plan import guest_files
from guestprep.plan.kernel_replacement import NoReplacement, replacement
from guestprep.plan.model import (
    AlreadySatisfied,
    FileStep,
    InitramfsStep,
    InstallStep,
    PreparationStep,
    ReplaceStep,
)
from guestprep.target import DRIVER

#: Packages with the modules that a cloud image's kernel leaves out, newest scheme first:
#: Ubuntu from 18.04 to 25.10, and 16.04.
_EXTRAS = ("linux-modules-extra-{version}", "linux-image-extra-{version}")

#: The package that brings the extras for each new kernel of a "virtual" image.
_META = "linux-image-extra-virtual"

#: Packages of one kernel by their name, which holds its version.
_OF_A_KERNEL = re.compile(r"^linux-(image|modules)(-unsigned|-extra)?-[0-9]")


def install(
    kernel: KernelFacts, distribution: str, status: DpkgStatus, available: AvailablePackages
) -> InstallStep | AlreadySatisfied:
    """The packages that bring a kernel its virtio_gpu, when it has none.

    A kernel that can't have it is replaced by one that does (a :class:`ReplaceStep`).

    :raises UnusableInput: no archive has it for this kernel.
    """
    topic = f"modules of {kernel.version}"
    if kernel.gpu is DriverLocation.BUILTIN:
        return AlreadySatisfied(topic, f"{DRIVER} is built into the kernel: nothing to install")
    if kernel.gpu is DriverLocation.MODULE:
        return AlreadySatisfied(
            topic, f"{DRIVER} is in {_holder(kernel, status)} already: nothing to install"
        )
    extra = _extra(kernel, available)
    if extra is None:
        other = replacement(kernel, distribution, status, available)
        if isinstance(other, NoReplacement):
            raise _nothing(kernel, other)
        return other
    reason = f"kernel {kernel.version} has no {DRIVER}, and {extra.name} has it"
    meta = _meta(kernel, extra, status, available)
    wanted = (extra,) if meta is None else (extra, meta)
    resolution = resolve(wanted, available, status)
    if resolution.faults:
        raise UnusableInput(
            f"{extra.name} can't be installed: {resolution.faults[0]}",
            details="\n".join(resolution.faults[1:]) or None,
            hint="name an archive that has it in the guest's `archives`",
        )
    if meta is not None:
        reason += f"; {_META} brings the same to the next kernel"
    return InstallStep(
        reason=reason,
        packages=resolution.packages,
        manual=(extra.name,) if meta is None else (meta.name,),
        kernel=kernel.version,
    )


def _holder(kernel: KernelFacts, status: DpkgStatus) -> str:
    """The packages that have a kernel's modules, for a person."""
    schemes = ("linux-modules-{version}", *_EXTRAS)
    names = [scheme.format(version=kernel.version) for scheme in schemes]
    kinds = [name.removesuffix(f"-{kernel.version}") for name in names if status.installed(name)]
    return " or ".join(kinds) or kernel.package or "the image"


def _extra(kernel: KernelFacts, available: AvailablePackages) -> ArchivePackage | None:
    """The package with the missing modules, of the kernel's own build where that is known."""
    for scheme in _EXTRAS:
        candidates = available.candidates(scheme.format(version=kernel.version))
        same = [entry for entry in candidates if entry.version == kernel.package_version]
        if same or candidates:
            # The name holds the kernel's ABI: another version of the package still fits it.
            return (same or list(candidates))[0]
    return None


def _meta(
    kernel: KernelFacts, extra: ArchivePackage, status: DpkgStatus, available: AvailablePackages
) -> ArchivePackage | None:
    """The meta package, when the archive has it for exactly this kernel."""
    if status.installed(_META):
        return None
    for candidate in available.candidates(_META):
        resolution = resolve((extra, candidate), available, status)
        others = [
            package
            for package in resolution.packages
            if _OF_A_KERNEL.match(package.name) and not package.name.endswith(kernel.version)
        ]
        if resolution.packages and not others:
            return candidate
    return None


def _nothing(kernel: KernelFacts, other: NoReplacement) -> UnusableInput:
    names = " or ".join(scheme.format(version=kernel.version) for scheme in _EXTRAS)
    why = (
        "can have no graphics driver (CONFIG_DRM is off)" if not kernel.drm else f"has no {DRIVER}"
    )
    return UnusableInput(
        f"kernel {kernel.version} {why}, and no archive has {names}",
        hint="use a newer image, or name an archive that has them in the guest's `archives`",
        details=f"another kernel instead: {other.reason}",
    )


def initramfs(
    kernel: KernelFacts, installs: Sequence[InstallStep]
) -> InitramfsStep | AlreadySatisfied:
    """What a kernel's initramfs lacks.

    :param installs: the steps that bring modules.
    """
    for step in installs:
        if isinstance(step, ReplaceStep) and step.old == kernel.version:
            return _new_initramfs(kernel, step)
    topic = f"initramfs of {kernel.version}"
    if kernel.gpu is DriverLocation.BUILTIN:
        return AlreadySatisfied(
            topic, f"{DRIVER} is built into the kernel: the initramfs needs nothing"
        )
    ramfs = kernel.initramfs
    if ramfs is None:
        return AlreadySatisfied(topic, "there is none")
    missing = sorted({module_name(path) for path in kernel.needs} - set(ramfs.modules))
    if any(step.kernel == kernel.version for step in installs):
        reason = f"{DRIVER} comes with the packages, and the screen shall work from early on"
    elif kernel.gpu is DriverLocation.MISSING:
        return AlreadySatisfied(topic, f"kernel {kernel.version} has no {DRIVER} to put into it")
    elif missing:
        reason = f"it lacks {', '.join(missing)}"
    elif DRIVER not in ramfs.indexed:
        reason = f"its modules.dep doesn't know {DRIVER}"
    elif DRIVER not in ramfs.loads and ramfs.kind is not InitramfsKind.UNKNOWN:
        reason = f"it has {DRIVER} and isn't told to load it"
    else:
        return AlreadySatisfied(topic, f"it has {DRIVER} with all it needs, and loads it")
    return InitramfsStep(reason=reason, path=ramfs.path, kernel=kernel.version)


def _new_initramfs(kernel: KernelFacts, step: ReplaceStep) -> InitramfsStep:
    if kernel.initramfs is None:
        raise UnusableInput(
            f"kernel {kernel.version} has no initramfs that one for {step.kernel} could be made of",
            hint="use an image with an initramfs",
        )
    return InitramfsStep(
        reason=f"kernel {step.kernel} starts with its own, and has as modules what "
        f"{kernel.version} has built in",
        path=f"/boot/initrd.img-{step.kernel}",
        kernel=step.kernel,
        based_on=kernel.initramfs.path,
    )


def loading(facts: GuestFacts) -> list[PreparationStep | AlreadySatisfied]:
    """The module named where the running system and later kernels find it."""
    if facts.booted and all(kernel.gpu is DriverLocation.BUILTIN for kernel in facts.booted):
        return [AlreadySatisfied("loading", f"{DRIVER} is built into every kernel")]
    found: list[PreparationStep | AlreadySatisfied] = []
    if DRIVER in facts.modules_load:
        found.append(AlreadySatisfied("loading", f"{DRIVER} is loaded at every start already"))
    else:
        why = f"{DRIVER} must be loaded also where the initramfs doesn't do it"
        if facts.grub is not None and facts.grub.force_partuuid:
            why = "the image may start without its initramfs (GRUB_FORCE_PARTUUID)"
        found.append(FileStep(why, guest_files.MODULES_LOAD, guest_files.modules_load()))
    wanted = guest_files.hook(facts.tools)
    if facts.initramfs_hook:
        found.append(AlreadySatisfied("later kernels", f"their initramfs will have {DRIVER} too"))
    elif wanted is not None:
        path, content, mode = wanted
        found.append(
            FileStep("the next kernel's initramfs shall have the module too", path, content, mode)
        )
    else:
        found.append(AlreadySatisfied("later kernels", "no initramfs maker is installed"))
    return found
