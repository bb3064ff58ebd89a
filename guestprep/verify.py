"""Checks of a finished image: opened again, read-only, each claim by itself."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from core.cache import file_digest
from core.config.base import Architecture
from core.config.model import usual_consoles
from core.errors import UnusableInput
from core.progress import size
from guestprep import record
from guestprep.checks import Check, Checks
from guestprep.expectations import Expectations
from guestprep.facts import DriverLocation, GuestFacts, KernelFacts
from guestprep.inspect import Inspection, inspect_image
from guestprep.parse.dpkg import DpkgStatus, parse_status
from guestprep.parse.grub import consoles, sorts_last
from guestprep.plan import guest_files
from guestprep.plan.chosen_kernel import kernel_of
from guestprep.plan.extras import SLACK
from guestprep.spec import PreparationPart, PreparationSpec
from guestprep.target import DRIVER, MACHINES


def verify(path: Path, promise: Expectations | None = None) -> Checks:
    """Check an image file: one launch of the appliance, and the file is opened for reading only.

    :param promise: what it is held to; default: what the record beside it says, or else what
        holds for every prepared image.
    :raises UnusableInput: the file is missing, damaged, not a disk, or has no readable system.
    """
    recorded = record.beside(path) if promise is None else None
    expected = recorded.expectations if recorded else promise
    inspection = inspect_image(path, expected.spec.watched if expected else ())
    result = check_image(inspection, expected or _usual(inspection.facts))
    if recorded is None:
        return result
    digest = file_digest(path)
    claim = "the file is unchanged since it was prepared (SHA-256)"
    unchanged = Check(claim, digest == recorded.sha256, digest)
    return dataclasses.replace(result, checks=(unchanged, *result.checks))


def _usual(facts: GuestFacts) -> Expectations:
    """What every prepared image of an architecture is held to."""
    if facts.architecture not in MACHINES:
        return Expectations()
    architecture = Architecture(facts.architecture)
    consoles = tuple(usual_consoles(architecture))
    return Expectations(PreparationSpec(architecture=architecture, consoles=consoles))


def check_image(inspection: Inspection, promise: Expectations) -> Checks:
    """The checks of an examined image: pure."""
    facts, spec = inspection.facts, promise.spec
    text = inspection.contents.dpkg_status
    status = parse_status(text)
    checks = [
        *_boot(facts, spec.architecture),
        *(check for kernel in facts.booted for check in _kernel(kernel, spec)),
        *(_loading(facts, spec) if PreparationPart.LOADING in spec.parts else ()),
        *(_grub(facts, spec) if PreparationPart.GRUB in spec.parts else ()),
        *_packages(facts, status, promise),
        *(_files(facts, spec) if PreparationPart.FILES in spec.parts else ()),
        *(_size(facts, spec) if PreparationPart.SIZE in spec.parts else ()),
        *(_clean(facts, spec) if PreparationPart.CLEAN in spec.parts else ()),
    ]
    return Checks(facts.disk.path, tuple(checks), text)


def _boot(facts: GuestFacts, architecture: Architecture) -> Iterator[Check]:
    yield Check(
        f"the system is for {architecture}",
        facts.architecture == architecture,
        facts.architecture or "unknown",
    )
    if MACHINES[architecture].bios:
        yield Check("UEFI or a BIOS finds a boot loader", bool(facts.uefi or facts.bios), "none")
        return
    yield Check("UEFI finds a boot loader on the ESP", bool(facts.uefi), "none")
    yield Check("there is a kernel with its modules", bool(facts.kernels), "none")


def _kernel(kernel: KernelFacts, spec: PreparationSpec) -> Iterator[Check]:
    name = f"kernel {kernel.version}"
    if not MACHINES[spec.architecture].needs_driver:
        lacking = ", ".join(kernel.screen_lacks)
        yield Check(f"{name} can show text on a screen", not lacking, f"built without {lacking}")
        return
    if PreparationPart.PACKAGES in spec.parts:
        yield Check(f"{name} has {DRIVER}", kernel.gpu is not DriverLocation.MISSING, "missing")
    if kernel.gpu is not DriverLocation.MODULE or PreparationPart.INITRAMFS not in spec.parts:
        return
    yield Check(
        f"{name} can show text on a screen",
        not kernel.screen_lacks,
        f"it was built without {', '.join(kernel.screen_lacks)}",
    )
    yield Check(f"{name}: modules.dep knows {DRIVER}", bool(kernel.needs), "no entry")
    ramfs = kernel.initramfs
    if ramfs is None:
        return
    yield Check(f"{ramfs.path} can be read to its end", ramfs.fault is None, ramfs.fault or "")
    needed = kernel.required
    missing = sorted(needed - set(ramfs.modules))
    yield Check(
        f"{ramfs.path} has {', '.join(sorted(needed)) or DRIVER}",
        bool(needed) and not missing,
        f"without {', '.join(missing)}" if missing else "no modules needed by modules.dep",
    )
    unindexed = sorted(set(ramfs.modules) - set(ramfs.indexed))
    yield Check(
        f"{ramfs.path}: its modules.dep knows all its {len(ramfs.modules)} modules",
        not unindexed,
        f"not {', '.join(unindexed[:5])}",
    )
    yield Check(f"{ramfs.path} loads {DRIVER}", DRIVER in ramfs.loads, "it does not")


def _loading(facts: GuestFacts, spec: PreparationSpec) -> Iterator[Check]:
    yield Check(
        "no masked unit keeps the login prompt from the screen",
        not facts.getty_masks,
        ", ".join(facts.getty_masks),
    )
    builtin = all(kernel.gpu is DriverLocation.BUILTIN for kernel in facts.booted)
    if builtin or not MACHINES[spec.architecture].needs_driver:
        return
    yield Check(
        f"{DRIVER} is loaded at every start",
        DRIVER in facts.modules_load,
        ", ".join(facts.modules_load) or "nothing is",
    )
    if guest_files.hook(facts.tools) is not None:
        yield Check(
            f"later initramfs files will have {DRIVER}", facts.initramfs_hook, "no hook for it"
        )


def _grub(facts: GuestFacts, spec: PreparationSpec) -> Iterator[Check]:
    if not facts.entries:
        yield Check("there is a boot menu with a kernel", False, "none")
        return
    if facts.started:
        own = [entry.path for entry in facts.entries if not entry.rescue]
        yield Check(
            f"{facts.loader} starts one of them by itself",
            facts.started in own and not facts.waiting,
            f"it waits ({facts.waiting})" if facts.waiting else facts.started,
        )
    if facts.grub is not None:
        found = facts.grub.repairs
        yield Check("GRUB starts no entry for repairs by itself", not found, f"“{found}”")
    wanted = f"console={' console='.join(spec.consoles)}"
    for entry in facts.entries:
        if entry.rescue:
            continue
        yield Check(
            f"menu entry “{entry.title}” ends in {wanted}",
            entry.consoles == spec.consoles and not entry.blanking,
            " ".join((*entry.words, *entry.hidden)),
        )
    if facts.grub is None or not guest_files.has_drop_ins(facts.grub.config):
        yield from _later_kernels(facts, spec)
        return
    name = guest_files.drop_in_name(facts.grub.drop_ins)
    yield Check(
        f"{name} sorts last in /etc/default/grub.d, with {wanted}",
        name in facts.grub.drop_ins
        and sorts_last(facts.grub.drop_ins, name)
        and facts.grub.drop_in_text == guest_files.drop_in(spec.consoles),
        ", ".join(facts.grub.drop_ins) or "no drop-ins",
    )


def _later_kernels(facts: GuestFacts, spec: PreparationSpec) -> Iterator[Check]:
    words = facts.kernel_cmdline
    if words is None and facts.grub is not None:
        words = facts.grub.settings_words
    if words is not None:
        yield Check(
            f"later kernels will have {' '.join(spec.consoles)}",
            consoles(words) == spec.consoles,
            " ".join(words),
        )


def _packages(facts: GuestFacts, status: DpkgStatus, promise: Expectations) -> Iterator[Check]:
    yield Check("dpkg has no unfinished packages", not facts.unready, ", ".join(facts.unready))
    spec = promise.spec
    for name in spec.packages if PreparationPart.PACKAGES in spec.parts else ():
        yield Check(f"{name} is installed", status.installed(name) is not None, "it isn't")
    if spec.kernel and PreparationPart.PACKAGES in spec.parts:
        yield _chosen_kernel(facts, status, spec.kernel)
    for kernel, removed in promise.replaced:
        present = [name for name in removed if status.installed(name) is not None]
        yield Check(f"kernel {kernel} isn't started any more", not present, ", ".join(present))
    for name, version in promise.installed:
        package = status.installed(name)
        yield Check(
            f"dpkg has {name} {version} installed",
            package is not None and package.version == version,
            package.version if package else "not installed",
        )


def _chosen_kernel(facts: GuestFacts, status: DpkgStatus, name: str) -> Check:
    booted = {entry.version for entry in facts.entries if not entry.rescue}
    try:
        version = kernel_of(name, (), status)
    except UnusableInput as error:
        return Check(f"the kernel of {name} is booted", False, error.message)
    found = ", ".join(sorted(booted))
    return Check(f"the kernel of {name} is booted: {version}", booted == {version}, found)


def _files(facts: GuestFacts, spec: PreparationSpec) -> Iterator[Check]:
    for file in spec.files:
        present = facts.file(file.path)
        good = present is not None and (present.sha256, present.mode) == (file.sha256, file.mode)
        found = f"mode {present.mode:04o}, SHA256 {present.sha256}" if present else "missing"
        yield Check(f"{file.path} is as requested, mode {file.mode:04o}", good, found)
    if spec.timezone:
        good = facts.timezone == spec.timezone
        yield Check(f"the time zone is {spec.timezone}", good, facts.timezone or "none")


def _size(facts: GuestFacts, spec: PreparationSpec) -> Iterator[Check]:
    last = facts.last
    if not spec.size or last is None:
        return
    disk = facts.disk.virtual_size
    yield Check(f"the disk has {size(spec.size)}", disk == spec.size, size(disk))
    if last.length:
        short = disk - last.end
        yield Check("its last partition reaches its end", short < SLACK, f"{size(short)} are left")
    if last.capacity is not None:
        # What a file system needs for itself is a few per cent of it.
        good = last.capacity > (last.length or disk) * 0.9
        yield Check("the file system fills the partition", good, size(last.capacity))


def _clean(facts: GuestFacts, spec: PreparationSpec) -> Iterator[Check]:
    leftovers = facts.leftovers
    if spec.clean_machine_id:
        yield Check("no machine-id is set", not leftovers.machine_id, "one is")
        found = ", ".join(leftovers.secrets)
        yield Check("no random seed or secret of a machine is there", not found, found)
    for wanted, what, paths in (
        (spec.clean_host_keys, "SSH host keys", leftovers.host_keys),
        (spec.clean_cloud_init, "state of cloud-init", leftovers.cloud_init),
        (spec.clean_apt_lists, "package lists", leftovers.apt_lists),
    ):
        if wanted:
            yield Check(f"no {what}", not paths, f"{len(paths)} files")
