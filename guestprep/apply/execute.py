"""Carrying out a plan offline: compose every change, then write them all to the disk."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from core import progress
from core.errors import UnusableInput
from core.progress import size
from core.stopwatch import Stopwatch
from guestprep.appliance import Appliance, GuestCallError
from guestprep.appliance.real_folders import RealFolders
from guestprep.apply.boot_menus import changed_text
from guestprep.apply.extras import add_files, grow
from guestprep.apply.initramfs_steps import append_driver, create_initramfs
from guestprep.apply.install import install
from guestprep.apply.new_files import NewFiles, mount_of
from guestprep.apply.pending import PendingChanges
from guestprep.archive.client import ArchiveClient
from guestprep.inspect import Inspection
from guestprep.inspect.layout import mount_all
from guestprep.parse.text import encode
from guestprep.plan.model import (
    CleanStep,
    FileStep,
    GrowStep,
    GrubStep,
    InitramfsStep,
    InstallStep,
    LoaderStep,
    PreparationPlan,
)

#: Inodes to leave free, and bytes: a system needs some to boot.
_INODES = 16
_RESERVE = {"/": 16 << 20, "/boot": 1 << 20}


@dataclass(frozen=True)
class ApplyResult:
    """What carrying out a plan did."""

    packages: tuple[str, ...]
    """Names of the packages that were installed."""
    files: int
    """Number of new files."""
    modules: dict[str, tuple[str, ...]]
    """Names of the modules added to each initramfs, by its path."""
    bytes: int
    """Bytes that the new files take on the guest's disk."""
    seconds: dict[str, float]
    """Seconds that each part took."""


def apply_offline(
    appliance: Appliance,
    inspection: Inspection,
    plan: PreparationPlan,
    client: ArchiveClient,
    folder: Path,
) -> ApplyResult:
    """Carry out a plan on the appliance's first disk, which must be writable.

    Everything is composed before the first byte is written; the tree, mounted read-only until
    then, is left unmounted with everything written back.

    :param folder: a local folder for what is composed.
    :raises UnusableInput: not enough free space for it.
    :raises KollarmError: an archive's failure.
    """
    reporter, clock = progress.current(), Stopwatch()
    archive = folder / "new.tar"
    with reporter.step("compose") as step:
        mounts = inspection.contents.layout.mounts
        places = [mount.where for mount in inspection.contents.layout.places]
        real = RealFolders(appliance)
        with closing(NewFiles(archive, real_folder=real, mounts=places)) as new:
            pending = PendingChanges(appliance, inspection, folder, new)
            _compose(pending, plan, client, step, clock)
        _check_space(pending, plan)
        step.note(f"{new.count} files, {size(new.bytes)}")
    with reporter.step("write") as step, clock.timed("write"):
        appliance.unmount_all()
        if plan.steps_of(GrowStep):
            step.note("grow")
            grow(appliance, plan)
        step.note("files")
        mount_all(appliance, mounts, writable=True)
        esp = inspection.contents.layout.esp
        if esp is not None and pending.concerns(esp.where):
            appliance.mount(esp.device, esp.where, writable=True)
        _write(pending)
        step.note("trim")
        for mount in mounts:
            appliance.trim(mount.where)
        appliance.unmount_all()
    return ApplyResult(pending.packages, new.count, pending.modules, new.bytes, clock.seconds)


def _compose(
    pending: PendingChanges,
    plan: PreparationPlan,
    client: ArchiveClient,
    step: progress.RunningStep,
    clock: Stopwatch,
) -> None:
    """Collect the changes that the plan's steps make; each may build on those before it."""
    new = pending.new
    for packages in plan.steps_of(InstallStep):
        step.note(packages.title)
        with clock.timed("packages"):
            install(pending, packages, client)
    for ramfs in plan.steps_of(InitramfsStep):
        step.note(ramfs.title)
        with clock.timed("initramfs"):
            if ramfs.based_on:
                create_initramfs(pending, ramfs)
            else:
                append_driver(pending, ramfs)
    for file in plan.steps_of(FileStep):
        new.add(file.path, file.content.encode(), file.mode)
    add_files(plan, new)
    for menu in plan.steps_of(GrubStep):
        text = pending.inspection.contents.texts[menu.path]
        pending.texts[menu.path] = encode(changed_text(menu, text))
    for loader in plan.steps_of(LoaderStep):
        for path, source in loader.copies.items():
            pending.copies[f"{loader.esp}/{path}"] = f"{loader.esp}/{source}"
    for clean in plan.steps_of(CleanStep):
        pending.remove += clean.remove
        pending.texts |= dict.fromkeys(clean.empty, b"")
    for path, content in pending.created.items():
        new.add(path, content)


def _write(pending: PendingChanges) -> None:
    try:
        pending.write()
    except GuestCallError as error:
        if "Operation not permitted" not in error.message:
            raise
        raise UnusableInput(
            "a file or folder of the image can't be changed, though its file system can be written",
            hint="it may be marked as immutable: in the guest, lsattr shows an i for it, and "
            "chattr -i takes that away",
            details=error.message,
        ) from error


def _check_inodes(pending: PendingChanges) -> None:
    """Refuse before anything is written if a file system can't have as many more files."""
    for mount in pending.inspection.contents.layout.places:
        state = pending.appliance.call("statvfs", mount.where)
        # Some file systems, such as btrfs, have no fixed number of inodes.
        if not pending.new.bytes_on.get(mount.where) or not state["files"]:
            continue
        if state["favail"] < pending.new.count + _INODES:
            raise UnusableInput(
                f"not enough free inodes on the image's {mount.where}: {state['favail']} are free, "
                f"for {pending.new.count} new files",
                hint="remove small files from the image; a larger file system has more inodes",
            )


def _check_space(pending: PendingChanges, plan: PreparationPlan) -> None:
    """Refuse before anything is written if the changes don't fit."""
    _check_inodes(pending)
    mounts = pending.inspection.contents.layout.places
    devices = {mount.where: mount.device for mount in mounts}
    parts = {part.device: part for part in pending.inspection.facts.partitions}
    needed: Counter[str] = Counter()  # by device: subvolumes share their space
    for where, amount in pending.new.bytes_on.items():
        needed[devices[where]] += amount
    for path, source in pending.copies.items():
        needed[devices[mount_of(path, devices)]] += pending.appliance.file_size(source)
    for entry in pending.appends:
        needed[devices[mount_of(entry.path, devices)]] += entry.local.stat().st_size
    for device, amount in needed.items():
        part = parts[device]
        where = part.mounted
        reserve = _RESERVE.get(where, _RESERVE["/boot"])
        gain = sum(step.gain for step in plan.steps_of(GrowStep) if step.device == part.device)
        free = (part.free or 0) + gain
        if amount and free < amount + reserve:
            raise UnusableInput(
                f"not enough free space on the image's {where}: {size(free)} free, {size(amount)} "
                f"needed for new files and {size(reserve)} to run",
                hint="give the guest a larger disk: set its `size` in the configuration",
            )
