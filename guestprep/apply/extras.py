"""Files, time zone and size: what is carried out alike whichever engine does the rest."""

from __future__ import annotations

from pathlib import Path

from core.errors import KollarmError
from guestprep.appliance import Appliance, GuestCallError
from guestprep.apply.new_files import NewFiles
from guestprep.plan.model import CopyStep, GrowStep, PreparationPlan, TimezoneStep

_SECTOR = 512

#: Partitions end at a multiple of this many sectors (1 MiB), before the table's copy.
_ALIGNMENT = 2048


def add_files(plan: PreparationPlan, new: NewFiles) -> None:
    """The plan's files and time zone among the new files."""
    for copy in plan.steps_of(CopyStep):
        new.add_file(copy.path, Path(copy.source), copy.mode)
    for zone in plan.steps_of(TimezoneStep):
        new.add_link("/etc/localtime", zone.target)
        if zone.named:
            new.add("/etc/timezone", f"{zone.zone}\n".encode())


def grow(appliance: Appliance, plan: PreparationPlan) -> None:
    """Grow the last partition and its file system over a disk that is larger already.

    Nothing may be mounted; nothing is mounted afterwards.

    :raises KollarmError: the appliance can't.
    """
    for step in plan.steps_of(GrowStep):
        try:
            _grow(appliance, step)
        except GuestCallError as error:
            raise KollarmError(
                f"the image's {step.filesystem} on {step.mounted or step.device} can't be grown",
                hint="install the package libguestfs-xfs, which growing xfs requires"
                if step.filesystem == "xfs"
                else "leave `size` out and let the guest grow it at its first boot",
                details=error.message,
            ) from error


def _grow(appliance: Appliance, step: GrowStep) -> None:
    if step.number:
        disk = appliance.devices()[0]
        if step.gpt:
            appliance.call("part_expand_gpt", disk)
        end = step.size // _SECTOR - _ALIGNMENT
        appliance.call("part_resize", disk, step.number, end // _ALIGNMENT * _ALIGNMENT - 1)
    # All of them grow while mounted; ext4 would need a whole check first otherwise.
    appliance.mount(step.device, writable=True)
    match step.filesystem:
        case "xfs":
            appliance.call("xfs_growfs", "/")
        case "btrfs":
            appliance.call("btrfs_filesystem_resize", "/")
        case _:
            appliance.call("resize2fs", step.device)
    appliance.unmount_all()
