"""Steps for what is requested beside the screen: packages, files, time zone, size."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from core.errors import UnusableInput
from core.progress import size
from guestprep.archive.package import ArchivePackage
from guestprep.archive.resolve import AvailablePackages, resolve
from guestprep.facts import GuestFacts, Role
from guestprep.parse.dpkg import DpkgStatus
from guestprep.plan.model import (
    AlreadySatisfied,
    CopyStep,
    GrowStep,
    InstallStep,
    PreparationStep,
    TimezoneStep,
)
from guestprep.spec import AGENT, ZONES, PreparationSpec

#: File systems that can grow while they are mounted.
_GROWING = ("ext2", "ext3", "ext4", "xfs", "btrfs")

#: A partition that ends this close to the disk's end (bytes) has all of it.
_SLACK = 4 << 20


def packages(
    spec: PreparationSpec,
    status: DpkgStatus,
    available: AvailablePackages,
    earlier: Iterable[InstallStep],
) -> list[PreparationStep | AlreadySatisfied]:
    """Further packages, with what they depend on.

    :param earlier: the steps that install others, before these.
    :raises UnusableInput: no archive has one, or it can't be installed.
    """
    planned = {package.name for step in earlier for package in step.packages}
    found: list[PreparationStep | AlreadySatisfied] = []
    wanted: list[ArchivePackage] = []
    for name in dict.fromkeys(spec.packages):
        present = status.installed(name)
        if present is not None:
            found.append(
                AlreadySatisfied(f"package {name}", f"{present.version} is installed already")
            )
        elif name not in planned:
            wanted.append(_newest(name, available))
    if not wanted:
        return found
    resolution = resolve(wanted, available, status)
    names = ", ".join(package.name for package in wanted)
    if resolution.faults:
        raise UnusableInput(
            f"{names} can't be installed: {resolution.faults[0]}",
            details="\n".join(resolution.faults[1:]) or None,
            hint="name an archive that has what is missing in the guest's `archives`",
        )
    agent = [package.name for package in wanted] == [AGENT]
    return [
        *found,
        InstallStep(
            reason="guest_agent asks for it" if agent else f"the configuration asks for {names}",
            packages=tuple(entry for entry in resolution.packages if entry.name not in planned),
            manual=tuple(package.name for package in wanted),
            kernel="",
        ),
    ]


def _newest(name: str, available: AvailablePackages) -> ArchivePackage:
    candidates = available.candidates(name)
    if not candidates:
        raise UnusableInput(
            f"no archive has a package {name}",
            hint="check its name, or name an archive that has it in the guest's `archives`",
        )
    return candidates[0]


def files(facts: GuestFacts, spec: PreparationSpec) -> list[PreparationStep | AlreadySatisfied]:
    """Files to copy in that the guest doesn't have just so.

    :raises UnusableInput: one would go where it can't be.
    """
    found: list[PreparationStep | AlreadySatisfied] = []
    separate = [
        part.mounted
        for part in facts.partitions
        if part.mounted not in ("", "/") and part.role not in (Role.ROOT, Role.BOOT)
    ]
    for file in spec.files:
        inside = [where for where in separate if file.path.startswith(f"{where}/")]
        if inside:
            raise UnusableInput(
                f"{file.path} can't be copied in: {inside[0]} is a partition of its own",
                hint="files go onto the root and /boot only",
            )
        there = facts.file(file.path)
        if there is not None and (there.sha256, there.mode) == (file.sha256, file.mode):
            found.append(AlreadySatisfied(file.path, "it is in the image already"))
            continue
        reason = "the configuration asks for it"
        if there is not None:
            reason += "; what the image has there is replaced"
        found.append(CopyStep(reason, file.path, str(file.source), file.sha256, file.mode))
    return found


def timezone(
    facts: GuestFacts, spec: PreparationSpec, installs: Sequence[InstallStep]
) -> list[PreparationStep | AlreadySatisfied]:
    """The time zone, where another one is requested.

    :raises UnusableInput: the guest has no such zone.
    """
    zone = spec.timezone
    if not zone:
        return []
    named = facts.timezone_file is not None
    if facts.timezone == zone and facts.timezone_file in (None, zone):
        return [AlreadySatisfied("time zone", f"it is {zone} already")]
    brings = any(package.name == "tzdata" for step in installs for package in step.packages)
    if facts.file(f"{ZONES}/{zone}") is None and not brings:
        raise UnusableInput(
            f"the image has no time zone {zone}",
            hint="check its name; zones come with the package tzdata, which can be added "
            "to the guest's `packages`",
        )
    reason = f"the image has {facts.timezone or 'none set'}"
    return [TimezoneStep(reason, zone, f"{ZONES}/{zone}", named)]


def growth(facts: GuestFacts, spec: PreparationSpec) -> list[PreparationStep | AlreadySatisfied]:
    """The disk's size, where a larger one is requested.

    :raises UnusableInput: the disk is larger already, or what lies at its end can't grow.
    """
    requested, now, last = spec.size, facts.disk.virtual_size, facts.last
    if not requested or last is None:
        return []
    if requested < now:
        raise UnusableInput(
            f"the disk has {size(now)}, which is more than the {size(requested)} requested",
            hint="request a larger one, or leave size out: nothing is ever made smaller",
        )
    if requested == now and now - last.end < _SLACK:
        return [AlreadySatisfied("size", f"the disk has {size(now)} already")]
    if last.type not in _GROWING:
        what = last.type or "no file system"
        raise UnusableInput(
            f"the disk can't grow: at its end is a partition with {what}",
            hint="what can grow is ext4, xfs and btrfs on the last partition",
        )
    step = GrowStep(
        f"the configuration asks for {size(requested)}; the image has {size(now)}",
        size=requested,
        before=now,
        device=last.device,
        number=last.number,
        filesystem=last.type,
        mounted=last.mounted,
        gpt=facts.partition_table == "gpt",
    )
    return [step]
