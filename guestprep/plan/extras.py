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
    PlanItem,
    TimezoneStep,
)
from guestprep.spec import AGENT, ZONES, PreparationSpec

#: File systems that can grow while they are mounted.
_GROWING = ("ext2", "ext3", "ext4", "xfs", "btrfs")

#: Bytes behind the last partition that don't count as free.
SLACK = 4 << 20


def packages(
    spec: PreparationSpec,
    status: DpkgStatus,
    available: AvailablePackages,
    earlier: Iterable[InstallStep],
) -> list[PlanItem]:
    """Install the requested packages with their dependencies.

    :param earlier: the steps that install other packages before these.
    :raises UnusableInput: a package is in no archive, or can't be installed.
    """
    planned = {package.name for step in earlier for package in step.packages}
    items: list[PlanItem] = []
    wanted: list[ArchivePackage] = []
    for name in dict.fromkeys(spec.packages):
        present = status.installed(name)
        if present is not None:
            items.append(
                AlreadySatisfied(f"package {name}", f"{present.version} is already installed")
            )
        elif name not in planned:
            wanted.append(newest_package(name, available))
    if not wanted:
        return items
    names = ", ".join(package.name for package in wanted)
    required = resolve(wanted, available, status).require(names)
    agent = [package.name for package in wanted] == [AGENT]
    return [
        *items,
        InstallStep(
            reason="guest_agent requires it" if agent else f"the configuration requests {names}",
            packages=tuple(entry for entry in required if entry.name not in planned),
            manual=tuple(package.name for package in wanted),
            kernel="",
        ),
    ]


def newest_package(name: str, available: AvailablePackages) -> ArchivePackage:
    """A package that the configuration requests.

    :raises UnusableInput: no archive has it.
    """
    candidates = available.candidates(name)
    if not candidates:
        raise UnusableInput(
            f"no archive has a package named {name}",
            hint="check its name, or add an archive that has it to the guest's `archives`",
        )
    return candidates[0]


def files(facts: GuestFacts, spec: PreparationSpec) -> list[PlanItem]:
    """Copy the requested files that the guest doesn't have, or has with other content or mode.

    :raises UnusableInput: a file belongs on a partition that isn't changed.
    """
    items: list[PlanItem] = []
    separate = [
        part.mounted
        for part in facts.partitions
        if part.mounted not in ("", "/") and (part.role is Role.ESP or part.free is None)
    ]
    for file in spec.files:
        inside = [where for where in separate if file.path.startswith(f"{where}/")]
        if inside:
            raise UnusableInput(
                f"{file.path} can't be copied into the image: {inside[0]} is a separate partition",
                hint="choose a path on another file system: the EFI system partition, and what "
                "isn't ext4, xfs or btrfs, stay as they are",
            )
        present = facts.file(file.path)
        if present is not None and (present.sha256, present.mode) == (file.sha256, file.mode):
            items.append(AlreadySatisfied(file.path, "the image already has it"))
            continue
        reason = "the configuration requests it"
        if present is not None:
            reason += "; the image's own file is replaced"
        items.append(CopyStep(reason, file.path, str(file.source), file.sha256, file.mode))
    return items


def timezone(
    facts: GuestFacts, spec: PreparationSpec, installs: Sequence[InstallStep]
) -> list[PlanItem]:
    """Set the time zone if another one is requested.

    :raises UnusableInput: the guest doesn't have the zone.
    """
    zone = spec.timezone
    if not zone:
        return []
    named = facts.timezone_file is not None
    if facts.timezone == zone and facts.timezone_file in (None, zone):
        return [AlreadySatisfied("time zone", f"it is already {zone}")]
    provided = any(package.name == "tzdata" for step in installs for package in step.packages)
    if facts.file(f"{ZONES}/{zone}") is None and not provided:
        raise UnusableInput(
            f"the image doesn't have the time zone {zone}",
            hint="check its name; zones come with the package tzdata, which can be added "
            "to the guest's `packages`",
        )
    reason = f"the image has {facts.timezone or 'no time zone set'}"
    return [TimezoneStep(reason, zone, f"{ZONES}/{zone}", named)]


def growth(facts: GuestFacts, spec: PreparationSpec) -> list[PlanItem]:
    """Grow the disk if a larger size is requested.

    :raises UnusableInput: the disk is already larger, or its last partition can't grow.
    """
    requested, now, last = spec.size, facts.disk.virtual_size, facts.last
    if not requested or last is None:
        return []
    if requested < now:
        raise UnusableInput(
            f"the disk has {size(now)}, more than the requested {size(requested)}",
            hint="request a larger size or none: kollarm never shrinks a disk",
        )
    if requested == now and now - last.end < SLACK:
        return [AlreadySatisfied("size", f"the disk already has {size(now)}")]
    if last.type not in _GROWING:
        content = last.type or "no file system"
        raise UnusableInput(
            f"the disk can't grow: its last partition has {content}",
            hint="only ext2, ext3, ext4, xfs and btrfs on the last partition can grow",
        )
    step = GrowStep(
        f"the configuration requests {size(requested)}; the image has {size(now)}",
        size=requested,
        before=now,
        device=last.device,
        number=last.number,
        filesystem=last.type,
        mounted=last.mounted,
        gpt=facts.partition_table == "gpt",
    )
    return [step]
