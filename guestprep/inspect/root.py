"""Finding the root file system: tried by mounting, and known by what every root has."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence

from core.errors import UnusableInput
from guestprep.appliance import Appliance, GuestCallError
from guestprep.facts import Partition, Role
from guestprep.inspect.mounts import LINUX_TYPES
from guestprep.inspect.volumes import MEMBER

#: Ubuntu's label for a separate /boot, from 24.04 on.
BOOT_LABEL = "BOOT"

#: Where installers put a root on btrfs, if not into its default subvolume: Ubuntu's, Debian's, and
#: others.
_SUBVOLUMES = ("subvol=@", "subvol=@rootfs", "subvol=root")

_UNSUPPORTED = {"linux_raid_member": "software RAID", "zfs_member": "ZFS"}


def mount_root(appliance: Appliance, partitions: Sequence[Partition]) -> tuple[Partition, str]:
    """Mount the root file system; its partition and the options it is mounted with."""
    found: list[tuple[Partition, str]] = []
    unmountable: dict[str, str] = {}
    mounted = ""
    for part in partitions:
        # A label that says /boot saves trying.
        if part.type not in LINUX_TYPES or part.label == BOOT_LABEL:
            continue
        if mounted:
            appliance.unmount_all()
            mounted = ""
        options = _mount_if_root(appliance, part, unmountable)
        if options is not None:
            found.append((part, options))
            mounted = part.device
    if not found:
        raise _unmountable(unmountable) if unmountable else _no_root(partitions)
    if len(found) > 1:
        found = [entry for entry in found if "root" in entry[0].label.lower()] or found
    if len(found) > 1:
        raise UnusableInput(
            "the disk has more than one root file system: "
            + ", ".join(_described(part) for part, _ in found),
            hint="prepare an image of one system",
        )
    root, options = found[0]
    if mounted != root.device:
        appliance.unmount_all()
        appliance.mount(root.device, options=options)
    return root, options


def _mount_if_root(
    appliance: Appliance, part: Partition, unmountable: dict[str, str]
) -> str | None:
    """Mount a file system if it is a root; the options used, or None when it isn't a root.

    :param unmountable: gets why a partition can't be mounted, by its description.
    :raises UnusableInput: several of its subvolumes are.
    """
    try:
        if _is_root(appliance, part, ""):
            return ""
    except GuestCallError as error:
        unmountable[_described(part)] = error.message
        return None
    if part.type != "btrfs":
        return None
    found = []
    for options in _SUBVOLUMES:
        with contextlib.suppress(GuestCallError):  # there is no such subvolume
            if _is_root(appliance, part, options):
                found.append(options)
    if len(found) > 1:
        raise UnusableInput(
            f"{_described(part)} has more than one subvolume with a system: "
            + ", ".join(options.removeprefix("subvol=") for options in found),
            hint="make the right one the default: btrfs subvolume set-default",
        )
    if found:
        appliance.unmount_all()
        appliance.mount(part.device, options=found[0])
    return found[0] if found else None


def _is_root(appliance: Appliance, part: Partition, options: str) -> bool:
    """Whether a file system is a root, which is then mounted.

    :raises GuestCallError: it can't be mounted.
    """
    appliance.unmount_all()
    appliance.mount(part.device, options=options)
    found = {"etc", "usr"} <= set(appliance.list_directory("/")) and (
        # It may lead into a /usr that isn't mounted yet.
        appliance.is_link("/etc/os-release")
        or appliance.is_file("/etc/os-release")
        or appliance.is_file("/usr/lib/os-release")
    )
    if not found:
        appliance.unmount_all()
    return found


def _described(part: Partition) -> str:
    """A partition or volume for a person."""
    if part.paths:
        return f"volume {part.paths[0]} ({part.type})"
    name = part.label or part.partlabel or part.uuid
    return f"partition {part.number} ({part.type} {name})" if part.number else name


def _unmountable(reasons: Mapping[str, str]) -> UnusableInput:
    return UnusableInput(
        f"the image's {' and '.join(reasons)} can't be mounted, so no root file system is found",
        hint="it may be damaged, or newer than this machine's kernel, which libguestfs uses: the "
        "variable SUPERMIN_KERNEL names another one",
        details="\n".join(f"{name}: {reason}" for name, reason in reasons.items()),
    )


def _no_root(partitions: Sequence[Partition]) -> UnusableInput:
    if any(part.role is Role.ENCRYPTED for part in partitions):
        return UnusableInput(
            "the image's root file system is encrypted",
            hint="an encrypted image can't be prepared: decrypt it first",
        )
    for part in partitions:
        if part.type in _UNSUPPORTED:
            return UnusableInput(
                f"the image's root is on {_UNSUPPORTED[part.type]}, which kollarm doesn't handle",
                hint="use an image with its root on a partition, or on LVM",
            )
    if any(part.type == MEMBER for part in partitions) and not any(p.paths for p in partitions):
        return UnusableInput(
            "the image has LVM, and none of its volumes can be activated",
            hint="its volume group may need a further disk, which an image can't have",
        )
    if not partitions or not any(part.type for part in partitions):
        return UnusableInput(
            "the disk has no partition with a file system",
            hint="use the disk image of an installed system",
        )
    kinds = ", ".join(sorted({part.type for part in partitions if part.type}))
    return UnusableInput(
        f"no root file system found on the disk (it has: {kinds})",
        hint="use a Debian or Ubuntu cloud image, which has one ext4, xfs or btrfs root",
    )
