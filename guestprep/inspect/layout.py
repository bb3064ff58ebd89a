"""Which partition is which: recognised by labels, types and content, never by a number.

Sources: the UEFI specification (type of the ESP), the Discoverable Partitions Specification,
and the labels Ubuntu's and Debian's cloud images are made with (cloudimg-rootfs, BOOT, UEFI).
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from core.errors import UnusableInput
from core.untrusted_names import UnsafeNameError, relative_name
from guestprep.appliance import Appliance, GuestCallError
from guestprep.facts import Partition, Role
from guestprep.inspect.mounts import LINUX_TYPES, Mount, absent, mounts_of
from guestprep.inspect.root import BOOT_LABEL, mount_root
from guestprep.inspect.volumes import MEMBER, find_volumes
from guestprep.parse.text import FstabEntry, decode, fstab
from guestprep.target import MACHINES

ESP_TYPE = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"

#: blkid's unit for where partitions are, whatever the disk's own sectors are.
_SECTOR = 512

_ENCRYPTED_TYPES = ("crypto_LUKS", "BitLocker")

#: Without these a preparation would change, or miss, what isn't there.
_REQUIRED = ("/usr", "/var", "/var/lib")


@dataclass(frozen=True)
class DiskLayout:
    """Partitions with their roles, and the mounts that make up the guest's tree."""

    table: str
    """Type of the partition table: ``gpt``, ``msdos`` or ``none``."""
    partitions: tuple[Partition, ...]
    mounts: tuple[Mount, ...]
    """In the order in which they have to be made."""
    loader: str
    """Path on the ESP of the loader that UEFI starts by default; empty when there is none."""
    esp: Mount | None = None
    """Where the guest has its ESP; None where it has no place for it."""
    absent: tuple[str, ...] = ()
    """The file systems that its fstab has and the disk hasn't, each with the place in the guest."""

    @property
    def places(self) -> tuple[Mount, ...]:
        """The mounts with the ESP's."""
        return (*self.mounts, *((self.esp,) if self.esp else ()))

    @property
    def has_volumes(self) -> bool:
        """Whether there are logical volumes, which keep the disk in use."""
        return any(part.paths for part in self.partitions)


def mount_all(appliance: Appliance, mounts: Sequence[Mount], *, writable: bool) -> None:
    """Mount the guest's tree at ``/``.

    :raises UnusableInput: a file system can't be mounted so.
    """
    for mount in mounts:
        _mount(appliance, mount, writable=writable)


def find_layout(appliance: Appliance) -> DiskLayout:
    """Recognise every partition and leave the guest's tree mounted read-only.

    :raises UnusableInput: no root file system that can be read, or more than one.
    """
    # A disk without a table of partitions can have a file system on the whole of it.
    devices = appliance.partitions() or appliance.devices()[:1]
    known = {device: appliance.block_id(device) for device in devices}
    table = next((entry.get("PART_ENTRY_SCHEME", "") for entry in known.values()), "")
    partitions = [_identify(device, entry) for device, entry in known.items()]
    if any(part.type == MEMBER for part in partitions):
        partitions += [
            replace(_identify(device, appliance.block_id(device)), paths=paths)
            for device, paths in find_volumes(appliance).items()
        ]
    root, options = mount_root(appliance, partitions)
    lines = _fstab(appliance)
    table_of_mounts = mounts_of(lines, partitions)
    mounts = [Mount(root.device, "/", options), *_further(table_of_mounts, partitions, root)]
    if not any(mount.where == "/boot" for mount in (*mounts, *table_of_mounts)):
        mounts += _boot(appliance, partitions, [mount.device for mount in mounts])
    for mount in mounts[1:]:
        _mount(appliance, mount)
    esp, loader = _mount_esp(appliance, partitions, table_of_mounts)
    if esp is None and any(part.type == "vfat" for part in partitions):
        appliance.unmount_all()
        partitions, loader = _look_into_esp(appliance, partitions)
        mount_all(appliance, mounts, writable=False)
    there = {mount.where for mount in mounts}
    missing = [entry for entry in absent(lines, partitions) if entry.where not in there]
    _require(missing)
    # Of a device with several subvolumes, the first counts.
    here = {mount.device: mount.where for mount in reversed(mounts)}
    named = {mount.device: mount.where for mount in reversed(table_of_mounts)}
    roles = {"/": Role.ROOT, "/boot": Role.BOOT}
    room = {device: appliance.filesystem_space(where) for device, where in here.items()}
    if esp is not None:
        room[esp.device] = appliance.filesystem_space(esp.where)
        partitions = [
            replace(p, role=Role.ESP) if p.device == esp.device else p for p in partitions
        ]
    described = tuple(
        replace(
            part,
            role=roles.get(here.get(part.device, ""), part.role),
            mounted=here.get(part.device) or named.get(part.device, ""),
            free=room.get(part.device, (part.free, 0))[0],
            capacity=room.get(part.device, (0, part.capacity))[1],
        )
        for part in partitions
    )
    return DiskLayout(
        {"dos": "msdos"}.get(table, table) or "none",
        described,
        tuple(mounts),
        loader,
        esp,
        tuple(f"{entry.where} ({entry.source})" for entry in missing),
    )


def _look_into_esp(
    appliance: Appliance, partitions: Sequence[Partition]
) -> tuple[list[Partition], str]:
    """Find what UEFI starts where the guest has no place for an ESP: mounted for itself."""
    described, loader = [], ""
    for part in partitions:
        if part.type != "vfat" or loader:
            described.append(part)
            continue
        try:
            appliance.mount(part.device)
        except GuestCallError:
            described.append(part)
            continue
        loader = _loader(appliance, "")
        role = Role.ESP if loader else part.role
        free, capacity = appliance.filesystem_space("/")
        described.append(replace(part, role=role, free=free, capacity=capacity))
        appliance.unmount_all()
    return described, loader


def _loader(appliance: Appliance, where: str) -> str:
    """A fallback loader on a mounted FAT, found without regard to case as FAT has none.

    :param where: the path that it is mounted at; empty for ``/``.
    """
    for machine in MACHINES.values():
        path = ""
        for part in machine.loader.split("/"):
            inside = {
                name.upper(): name for name in appliance.list_directory(f"{where}{path}" or "/")
            }
            if part not in inside:
                break
            path = f"{path}/{inside[part]}"
        else:
            return path.lstrip("/")
    return ""


def _identify(device: str, known: Mapping[str, str]) -> Partition:
    kind = known.get("TYPE", "")
    table_type = known.get("PART_ENTRY_TYPE", "").lower()
    label = known.get("LABEL", "") or known.get("LABEL_FATBOOT", "")
    if table_type == ESP_TYPE or (kind == "vfat" and label.upper() in ("UEFI", "ESP", "EFI")):
        role = Role.ESP
    elif kind in _ENCRYPTED_TYPES:
        role = Role.ENCRYPTED
    elif kind == "swap":
        role = Role.SWAP
    else:
        role = Role.OTHER
    return Partition(
        device=device,
        role=role,
        type=kind,
        label=label,
        uuid=known.get("UUID", ""),
        partuuid=known.get("PART_ENTRY_UUID", ""),
        table_type=table_type,
        mounted="",
        free=None,
        partlabel=known.get("PART_ENTRY_NAME", ""),
        number=int(known.get("PART_ENTRY_NUMBER", "0")),
        start=int(known.get("PART_ENTRY_OFFSET", "0")) * _SECTOR,
        length=int(known.get("PART_ENTRY_SIZE", "0")) * _SECTOR,
    )


def _fstab(appliance: Appliance) -> tuple[FstabEntry, ...]:
    try:
        return fstab(decode(appliance.read("/etc/fstab")))
    except GuestCallError:
        return ()


def _require(missing: Sequence[FstabEntry]) -> None:
    """Refuse a guest of which a part that is read or changed isn't on the disk.

    :raises UnusableInput: there is such a part.
    """
    for entry in missing:
        if entry.where in _REQUIRED:
            raise UnusableInput(
                f"the image's {entry.where} is on {entry.source}, which isn't on the disk",
                hint="prepare an image that is complete; or check its /etc/fstab",
            )


def _further(
    table: Sequence[Mount], partitions: Sequence[Partition], root: Partition
) -> list[Mount]:
    """The file systems that the guest mounts below its root."""
    known = {part.device for part in partitions if part.type in LINUX_TYPES}
    found: dict[str, Mount] = {}
    for mount in table:
        try:
            relative_name(mount.where.lstrip("/"), of="the guest's fstab")
        except UnsafeNameError:
            continue  # the root, or a place that no mount can have
        # The root once more, without a subvolume of its own, has nothing new.
        if mount.device in known and (mount.device != root.device or mount.options):
            found[mount.where] = mount  # the last one hides those before it
    return list(found.values())


def _mount_esp(
    appliance: Appliance, partitions: Sequence[Partition], table: Sequence[Mount]
) -> tuple[Mount | None, str]:
    """Mount the ESP where fstab has it, or else where systemd or Debian's installer would.

    A FAT file system with a loader for UEFI is an ESP, whatever its type says.

    :returns: where it is, None if the guest has no place for one; and that loader.
    """
    without: Mount | None = None
    fats = (part for part in partitions if part.type == "vfat")
    for part in sorted(fats, key=lambda part: part.role is not Role.ESP):
        mount = _mount_fat(appliance, part, table)
        if mount is None:
            continue
        if loader := _loader(appliance, mount.where):
            return mount, loader
        appliance.call("umount", mount.where)
        if part.role is Role.ESP and without is None:
            without = mount
    if without is not None:
        _mount(appliance, without)
    return without, ""


def _mount_fat(appliance: Appliance, part: Partition, table: Sequence[Mount]) -> Mount | None:
    named = [mount.where for mount in table if mount.device == part.device]
    for where in named or ["/efi", "/boot/efi"]:
        if appliance.call("is_dir", where):
            with contextlib.suppress(GuestCallError):
                appliance.mount(part.device, where)
                return Mount(part.device, where)
    return None


def _mount(appliance: Appliance, mount: Mount, *, writable: bool = False) -> None:
    try:
        appliance.mount(mount.device, mount.where, writable=writable, options=mount.options)
    except GuestCallError as error:
        raise UnusableInput(
            f"the image's file system for {mount.where} can't be mounted"
            + (", to be written" if writable else ""),
            hint="check the image's /etc/fstab; or this machine's kernel is older than the file "
            "system's features: the variable SUPERMIN_KERNEL names another one",
            details=error.message,
        ) from error


def _boot(
    appliance: Appliance, partitions: Sequence[Partition], mounted: Sequence[str]
) -> list[Mount]:
    """The file system of /boot that fstab doesn't name, by its label or its kernels."""
    others = [part for part in partitions if part.device not in mounted]
    others = [part for part in others if part.type in LINUX_TYPES]
    chosen = [part for part in others if part.label == BOOT_LABEL]
    if not chosen and not _has_kernel(appliance, "/boot"):
        chosen = [part for part in others if _holds_kernels(appliance, part)]
    return [Mount(chosen[0].device, "/boot")] if len(chosen) == 1 else []


def _has_kernel(appliance: Appliance, folder: str) -> bool:
    return any(name.startswith("vmlinuz-") for name in appliance.list_directory(folder))


def _holds_kernels(appliance: Appliance, part: Partition) -> bool:
    """Whether a file system can be that of /boot."""
    try:
        appliance.mount(part.device, "/boot")
    except GuestCallError:
        return False
    found = _has_kernel(appliance, "/boot")
    appliance.call("umount", "/boot")
    return found
