"""Logical volumes of LVM on a guest's disk, and the names that the guest has for them."""

from __future__ import annotations

import contextlib

from guestprep import limits
from guestprep.appliance import Appliance, GuestCallError

#: blkid's word for a partition that LVM makes volumes of.
MEMBER = "LVM2_member"


def find_volumes(appliance: Appliance) -> dict[str, tuple[str, ...]]:
    """Activate the volumes; their names (:func:`volume_paths`) by the appliance's name.

    :returns: without those of a volume group that isn't complete, or is damaged.
    :raises UnusableInput: there are more than on any system.
    """
    try:
        appliance.call("lvm_scan", True)
        devices: list[str] = appliance.call("lvs")
    except GuestCallError:
        return {}
    limits.check_count("logical volumes", len(devices), limits.VOLUMES)
    found = {}
    for device in devices:
        with contextlib.suppress(GuestCallError):  # not active: its group lacks a disk
            uuids = appliance.call("vguuid", device.split("/")[2]), appliance.call("lvuuid", device)
            found[device] = volume_paths(device, "".join(uuids).replace("-", ""))
    return found


def volume_paths(device: str, uuid: str) -> tuple[str, ...]:
    """The paths in /dev that udev makes for a volume, the usual one first.

    :param device: ``/dev/GROUP/VOLUME``.
    :param uuid: the group's and the volume's, without hyphens. Ubuntu's installer writes it.
    """
    group, volume = (name.replace("-", "--") for name in device.split("/")[2:])
    mapped = f"{group}-{volume}"
    return (
        device,
        f"/dev/mapper/{mapped}",
        f"/dev/disk/by-id/dm-name-{mapped}",
        f"/dev/disk/by-id/dm-uuid-LVM-{uuid}",
    )
