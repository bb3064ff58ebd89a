"""A plan turned into commands of the guest."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from core import progress
from core.errors import KollarmError
from core.stopwatch import Stopwatch
from guestprep.appliance import Appliance, ApplianceError, GuestCallError
from guestprep.appliance.real_folders import RealFolders
from guestprep.apply import ApplyResult
from guestprep.apply.boot_menus import changed_text
from guestprep.apply.extras import add_files, grow
from guestprep.apply.new_files import NewFiles
from guestprep.archive.client import ArchiveClient
from guestprep.facts import InitramfsKind
from guestprep.inside.emulation import enable_emulation
from guestprep.inspect import Inspection
from guestprep.inspect.layout import mount_all
from guestprep.parse.text import decode, encode
from guestprep.plan.model import (
    CleanStep,
    FileStep,
    GrubStep,
    InitramfsStep,
    InstallStep,
    LoaderStep,
    PreparationPlan,
    ReplaceStep,
)

#: Seconds that one command of the guest may take: an initramfs under two emulations takes long.
LIMIT = 6 * 3600.0

_PLACE = "var/cache/kollarm"

#: Decides whether packages may start services (invoke-rc.d(8)): in the appliance, none may.
_POLICY = "/usr/sbin/policy-rc.d"
_ASIDE = f"{_POLICY}.kollarm"

_ENVIRONMENT = (
    "export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin"
)


def apply_inside(
    appliance: Appliance,
    inspection: Inspection,
    plan: PreparationPlan,
    client: ArchiveClient,
    folder: Path,
) -> ApplyResult:
    """Carry out a plan on the appliance's first disk, which must be writable.

    :param folder: a local folder for the new files.
    :raises KollarmError: a command of the guest failed, or its programs can't run here.
    """
    reporter, clock = progress.current(), Stopwatch()
    installs = plan.steps_of(InstallStep)
    packages = [package for step in installs for package in step.packages]
    with closing(NewFiles(folder / "new.tar", real_folder=RealFolders(appliance))) as new:
        for package in packages:
            with reporter.step(f"fetch {package.name}"):
                new.add_file(f"{_PLACE}/{package.name}.deb", client.fetch(package))
        for file in plan.steps_of(FileStep):
            new.add(file.path, file.content.encode(), file.mode)
        add_files(plan, new)
    appliance.unmount_all()
    grow(appliance, plan)
    mount_all(appliance, inspection.contents.layout.places, writable=True)
    emulated = enable_emulation(appliance, inspection.facts.architecture)
    appliance.tar_in(folder / "new.tar", "/")
    with no_services(appliance):
        for part, title, command in commands(plan, inspection.facts.tools):
            step = reporter.step(f"{title}{' (emulated)' if emulated else ''}")
            with step, clock.timed(part):
                _run(appliance, command)
    appliance.remove(f"/{_PLACE}")
    for menu in plan.steps_of(GrubStep):
        # What update-grub has made anew has the words already.
        text = decode(appliance.read(menu.path))
        appliance.call("write", menu.path, encode(changed_text(menu, text)))
    for loader in plan.steps_of(LoaderStep):
        appliance.call("mkdir_p", f"{loader.esp}/EFI/BOOT")
        for path, source in loader.copies.items():
            appliance.call("cp", f"{loader.esp}/{source}", f"{loader.esp}/{path}")
    for clean in plan.steps_of(CleanStep):
        for path in clean.remove:
            appliance.remove(path)
        for path in clean.empty:
            appliance.call("write", path, b"")
    for mount in inspection.contents.layout.mounts:
        appliance.trim(mount.where)
    appliance.unmount_all()
    names = tuple(package.name for package in packages)
    return ApplyResult(names, new.count, {}, new.bytes, clock.seconds)


@contextmanager
def no_services(appliance: Appliance) -> Iterator[None]:
    """Keep the mounted guest's packages from starting services while the block runs.

    The image's own policy, if it has one, is renamed, and restored however the block ends.
    """
    folder, _, name = _POLICY.rpartition("/")
    own = name in appliance.list_directory(folder)
    if own:
        appliance.call("mv", _POLICY, _ASIDE)
    try:
        appliance.call("write", _POLICY, b"#!/bin/sh\nexit 101\n")
        appliance.call("chmod", 0o755, _POLICY)
        yield
    finally:
        # Where the appliance is gone, so is what was done to the disk.
        with suppress(ApplianceError):
            appliance.remove(_POLICY)
            if own:
                appliance.call("mv", _ASIDE, _POLICY)


def commands(plan: PreparationPlan, tools: InitramfsKind) -> Iterator[tuple[str, str, str]]:
    """What the guest has to run: the part it belongs to, a title, the command."""
    for step in plan.steps_of(InstallStep):
        # INITRD: kernels' hooks leave the initramfs alone, which is made once, at the end.
        names = " ".join(shlex.quote(f"/{_PLACE}/{entry.name}.deb") for entry in step.packages)
        yield "packages", "install packages", f"INITRD=No dpkg --install {names}"
        automatic = [entry.name for entry in step.packages if entry.name not in step.manual]
        if automatic:
            yield "packages", "mark packages", f"apt-mark auto {shlex.join(automatic)}"
        if isinstance(step, ReplaceStep) and step.remove:
            yield "packages", "remove packages", f"dpkg --purge {shlex.join(step.remove)}"
    for ramfs in plan.steps_of(InitramfsStep):
        yield "initramfs", "make the initramfs", _remake(ramfs, tools)
        made = f"/boot/initrd.img-{ramfs.kernel}"
        if tools is InitramfsKind.INITRAMFS_TOOLS and made != ramfs.path:
            # systemd-boot's copy, which the system's own hook makes in a running guest only.
            yield "initramfs", "copy the initramfs", shlex.join(["cp", made, ramfs.path])
    if any(isinstance(step, GrubStep | InstallStep) for step in plan.steps):
        yield "grub", "make GRUB's menu", "! command -v update-grub || update-grub"


def _remake(step: InitramfsStep, tools: InitramfsKind) -> str:
    version = shlex.quote(step.kernel)
    if tools is InitramfsKind.DRACUT:
        # Where it runs is no guest: its own hardware is nothing to go by.
        return f"dracut --force --no-hostonly {shlex.quote(step.path)} {version}"
    return f"update-initramfs {'-c' if step.based_on else '-u'} -k {version}"


def run_inside(appliance: Appliance, command: str, *, limit: float = LIMIT) -> str:
    """Run a shell command in the mounted guest; what it printed.

    :param limit: seconds after which the appliance is ended.
    :raises GuestCallError: it failed.
    :raises ApplianceError: it took too long.
    """
    return str(appliance.call("sh", f"{_ENVIRONMENT}\n{command} 2>&1", limit=limit))


def _run(appliance: Appliance, command: str) -> None:
    try:
        run_inside(appliance, command)
    except GuestCallError as error:
        raise KollarmError(
            f"in the guest, {command.split(maxsplit=1)[0]} failed",
            details="\n".join([command, *error.message.splitlines()[-15:]]),
            hint="the offline engine (the default) needs none of the guest's programs",
        ) from error
