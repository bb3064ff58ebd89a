"""From a plan to changes, and from changes to a changed disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from core import progress
from core.errors import UnusableInput
from core.progress import size
from core.stopwatch import Stopwatch
from guestprep.appliance import Appliance
from guestprep.apply import changes, initramfs
from guestprep.apply.extras import add_files, grow
from guestprep.apply.install import install
from guestprep.apply.work import Work
from guestprep.archive import ArchiveClient
from guestprep.inspect import Examination
from guestprep.inspect.layout import mount_all
from guestprep.parse import grub
from guestprep.parse.text import encode
from guestprep.plan import (
    CleanStep,
    FileStep,
    GrowStep,
    GrubStep,
    InitramfsStep,
    InstallStep,
    PreparationPlan,
)

#: Bytes that shall stay free after all is written: a system without room can't start.
_RESERVE = {"/": 16 << 20, "/boot": 1 << 20}


@dataclass(frozen=True)
class Outcome:
    """What was done."""

    packages: tuple[str, ...]
    """Installed ones."""
    files: int
    """How many files were written anew."""
    modules: dict[str, tuple[str, ...]]
    """By initramfs: names of the modules it got."""
    bytes: int
    """That the new files take on the guest's root."""
    seconds: dict[str, float]
    """What its parts took."""


def execute(
    appliance: Appliance,
    seen: Examination,
    plan: PreparationPlan,
    client: ArchiveClient,
    folder: Path,
) -> Outcome:
    """Carry out a plan on the appliance's first disk, which must be writable.

    Everything is composed before the first byte is written; the tree, mounted read-only until
    then, is left unmounted with everything written back.

    :param folder: a local folder for what is composed.
    :raises UnusableInput: no room for it.
    :raises KollarmError: a package that can't be installed offline, an archive's failure.
    """
    reporter, clock = progress.current(), Stopwatch()
    with reporter.step("compose") as step:
        with changes.new_files(folder / "new.tar", usr_merged=seen.facts.usr_merged) as new:
            work = Work(appliance, seen, folder, new)
            for packages in plan.of(InstallStep):
                step.note(packages.title)
                with clock.timed("packages"):
                    install(work, packages, client)
            for ramfs in plan.of(InitramfsStep):
                step.note(ramfs.title)
                compose = initramfs.remake if ramfs.based_on else initramfs.append
                with clock.timed("initramfs"):
                    compose(work, ramfs)
            for file in plan.of(FileStep):
                new.add(file.path, file.content.encode(), file.mode)
            add_files(plan, new)
            for menu in plan.of(GrubStep):
                text = seen.evidence.texts[menu.path]
                work.texts[menu.path] = encode(grub.rewrite(text, menu.consoles, menu.kernels))
            for clean in plan.of(CleanStep):
                work.remove += clean.remove
                work.texts |= dict.fromkeys(clean.empty, b"")
            for path, content in work.fresh.items():
                new.add(path, content)
        _check_room(work, plan)
        step.note(f"{new.count} files, {size(new.bytes)}")
    with reporter.step("write") as step, clock.timed("write"):
        appliance.unmount_all()
        if plan.of(GrowStep):
            step.note("grow")
            grow(appliance, plan)
        step.note("files")
        # The ESP is left alone: nothing on it changes.
        mounts = [entry for entry in seen.evidence.layout.mounts if entry.where in ("/", "/boot")]
        mount_all(appliance, mounts, writable=True)
        changes.make(
            appliance,
            changes.Changes(
                archive=new.path if new.count else None,
                appends=tuple(work.appends),
                texts=work.texts,
                remove=tuple(work.remove),
                unlink=tuple(work.unlink),
            ),
        )
        step.note("trim")
        for mount in mounts:
            appliance.trim(mount.where)
        appliance.unmount_all()
    return Outcome(work.packages, new.count, work.modules, new.bytes, clock.seconds)


def _check_room(work: Work, plan: PreparationPlan) -> None:
    """Refuse before writing when it won't fit, and say how much is missing."""
    appended = sum(entry.local.stat().st_size for entry in work.appends)
    parts = {part.mounted: part for part in work.seen.facts.partitions}
    boot = work.new.boot_bytes + appended
    needed = {"/": work.new.bytes - work.new.boot_bytes, "/boot": boot}
    if "/boot" not in parts:
        needed = {"/": work.new.bytes + appended}
    for where, wanted in needed.items():
        gain = sum(step.gain for step in plan.of(GrowStep) if step.device == parts[where].device)
        free = (parts[where].free or 0) + gain
        spare = _RESERVE[where]
        if wanted and free < wanted + spare:
            raise UnusableInput(
                f"no room on the image's {where}: {size(wanted)} are needed and {size(spare)} "
                f"more to run, {size(free)} are free",
                hint="give the guest a larger disk: `size`, in the configuration",
            )
