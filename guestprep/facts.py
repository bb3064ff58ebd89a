"""What is known of a guest image: plain data, found by :mod:`guestprep.inspect`.

Everything here is as the image has it; what shall change is the plan's matter.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from enum import StrEnum

from core.progress import size
from guestprep.parse.grub import BootEntry
from guestprep.source.disk import DiskFacts


class Role(StrEnum):
    """What a partition is for."""

    ESP = "esp"
    BOOT = "boot"
    ROOT = "root"
    SWAP = "swap"
    ENCRYPTED = "encrypted"
    OTHER = "other"


class DriverLocation(StrEnum):
    """Where a kernel has a driver."""

    BUILTIN = "built in"
    MODULE = "module"
    MISSING = "missing"


class InitramfsKind(StrEnum):
    """The program that made an initramfs, and so how that one is told to load a module."""

    INITRAMFS_TOOLS = "initramfs-tools"
    DRACUT = "dracut"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Partition:
    """A partition or unpartitioned disk.

    :param device: the appliance's name; good for one launch only.
    :param type: of its file system (``ext4``, ``vfat`` …), empty where there is none.
    :param table_type: the partition's type GUID in the GPT, lower case.
    :param mounted: where the guest mounts it, by its fstab or its role.
    :param free: bytes that can still be written; None where not mounted for inspection.
    :param capacity: bytes of the whole file system; None where not mounted for inspection.
    :param number: in the table of partitions; 0 for a disk without one.
    :param start, length: of the partition, in bytes.
    """

    device: str
    role: Role
    type: str
    label: str
    uuid: str
    partuuid: str
    table_type: str
    mounted: str
    free: int | None
    capacity: int | None = None
    number: int = 0
    start: int = 0
    length: int = 0

    @property
    def end(self) -> int:
        """The byte behind its last one."""
        return self.start + self.length


@dataclass(frozen=True)
class InitramfsFacts:
    """An initramfs.

    :param path: in the guest.
    :param size: bytes of the file.
    :param segments: the compression of each archive in it, in order.
    :param modules: names of the modules in it for its kernel, sorted.
    :param loads: names of modules it is told to load, in order.
    :param indexed: names of the modules that its modules.dep knows.
    :param programs: the architectures that its most needed programs are for.
    :param fault: why it could not be read to its end; None when it could.
    """

    path: str
    size: int
    kind: InitramfsKind
    segments: tuple[str, ...]
    modules: tuple[str, ...]
    loads: tuple[str, ...]
    indexed: tuple[str, ...]
    programs: tuple[str, ...]
    fault: str | None


@dataclass(frozen=True)
class KernelFacts:
    """An installed kernel.

    :param version: ``uname -r``.
    :param image: path of the kernel.
    :param package: the package that owns it, with its version; empty when none does.
    :param gpu: where virtio_gpu is.
    :param gpu_path: the module file, below the kernel's folder of modules.
    :param needs: paths of the module files that virtio_gpu needs, itself included.
    :param drm: whether this kernel can have graphics drivers at all (CONFIG_DRM).
    """

    version: str
    image: str
    package: str
    package_version: str
    gpu: DriverLocation
    gpu_path: str
    needs: tuple[str, ...]
    drm: bool
    initramfs: InitramfsFacts | None


@dataclass(frozen=True)
class GrubFacts:
    """The boot loader.

    :param config: path of the grub.cfg with the menu.
    :param drop_ins: names in /etc/default/grub.d, sorted.
    :param drop_in_text: of kollarm's own among them; empty when there is none.
    :param force_partuuid: whether a setting lets it boot without an initramfs first.
    """

    config: str
    entries: tuple[BootEntry, ...]
    drop_ins: tuple[str, ...]
    drop_in_text: str
    force_partuuid: bool


@dataclass(frozen=True)
class Leftovers:
    """Traces of a machine that an image shouldn't carry into each of its guests.

    :param machine_id: whether /etc/machine-id names a machine.
    :param host_keys: the SSH host keys there are.
    :param cloud_init: cloud-init's state of an earlier boot, as paths.
    :param apt_lists: files of downloaded package lists.
    """

    machine_id: bool
    host_keys: tuple[str, ...]
    cloud_init: tuple[str, ...]
    apt_lists: tuple[str, ...]


@dataclass(frozen=True)
class FileFacts:
    """A file of the guest that a wish is about."""

    path: str
    sha256: str
    mode: int


@dataclass(frozen=True)
class GuestFacts:
    """Everything that the plan is made from.

    :param architecture: the kernel's name for it: ``aarch64``, ``x86_64``; empty when unknown.
    :param distribution: os-release's ID, ``debian`` or ``ubuntu`` for those known here.
    :param release: os-release's VERSION_ID, :param codename: its VERSION_CODENAME.
    :param uefi: path of the loader that UEFI starts by itself, on the ESP; empty when none.
    :param modules_load: names that /etc/modules-load.d and /etc/modules load.
    :param initramfs_hook: whether the guest's own tools are told to put virtio_gpu into the
        next initramfs as well.
    :param tools: which initramfs maker is installed.
    :param usr_merged: whether /lib is a link into /usr.
    :param admin_user: the user that cloud-init makes; empty when it names none.
    :param timezone: by /etc/localtime, :param timezone_file: whether /etc/timezone names it too.
    :param files: those there are of the files looked for.
    """

    disk: DiskFacts
    partition_table: str
    architecture: str
    distribution: str
    release: str
    codename: str
    pretty_name: str
    partitions: tuple[Partition, ...]
    uefi: str
    kernels: tuple[KernelFacts, ...]
    grub: GrubFacts | None
    modules_load: tuple[str, ...]
    initramfs_hook: bool
    tools: InitramfsKind
    cloud_init: bool
    usr_merged: bool
    installed: tuple[str, ...]
    unready: tuple[str, ...]
    leftovers: Leftovers
    admin_user: str = ""
    timezone: str = ""
    timezone_file: str | None = None
    files: tuple[FileFacts, ...] = ()

    def file(self, path: str) -> FileFacts | None:
        """What is known of one of the files looked for."""
        return next((file for file in self.files if file.path == path), None)

    @property
    def last(self) -> Partition | None:
        """The partition that lies at the disk's end."""
        return max(self.partitions, key=lambda part: part.start, default=None)

    def partition(self, role: Role) -> Partition | None:
        """The first partition of a role."""
        return next((part for part in self.partitions if part.role is role), None)

    @property
    def booted(self) -> tuple[KernelFacts, ...]:
        """The kernels that GRUB's menu starts; all of them where that can't be told."""
        entries = self.grub.entries if self.grub is not None else ()
        versions = {entry.version for entry in entries if not entry.rescue}
        named = tuple(kernel for kernel in self.kernels if kernel.version in versions)
        return named if named and "" not in versions else self.kernels

    def to_data(self) -> dict[str, object]:
        """Plain data for JSON; the list of installed packages only as a count."""
        data = dataclasses.asdict(self)
        data["installed"] = len(self.installed)
        if self.grub is not None:
            data["grub"]["entries"] = [
                dataclasses.asdict(entry) | {"consoles": entry.consoles, "rescue": entry.rescue}
                for entry in self.grub.entries
            ]
        return data

    def lines(self) -> list[str]:
        """The same for a person."""
        disk = self.disk
        out = [
            f"{disk.path}: {disk.format}, disk of {size(disk.virtual_size)}, "
            f"file of {size(disk.file_size)}",
            f"{self.pretty_name or self.distribution or 'unknown system'} on "
            f"{self.architecture or 'unknown architecture'}, "
            f"{'cloud-init' if self.cloud_init else 'no cloud-init'}",
            f"partitions ({self.partition_table}):",
        ]
        out += [f"  {_partition_line(part)}" for part in self.partitions]
        out.append(f"UEFI loader: {self.uefi or 'none'}")
        if self.timezone:
            out.append(f"time zone: {self.timezone}")
        for kernel in self.kernels:
            out += _kernel_lines(kernel)
        if self.grub is None:
            out.append("boot loader: no grub.cfg found")
        else:
            first = ", tries without an initramfs first" if self.grub.force_partuuid else ""
            out.append(f"GRUB menu {self.grub.config}{first}:")
            for entry in self.grub.entries:
                out.append(f"  {entry.title}: {entry.kernel} {' '.join(entry.words)}")
        return out


def _partition_line(part: Partition) -> str:
    named = ", ".join(
        f"{key} {value}" for key, value in (("label", part.label), ("UUID", part.uuid)) if value
    )
    free = f", {size(part.free)} free" if part.free is not None else ""
    where = f" at {part.mounted}" if part.mounted else ""
    return f"{part.role}{where}: {part.type or 'no file system'} ({named or 'unnamed'}){free}"


def _kernel_lines(kernel: KernelFacts) -> list[str]:
    place = kernel.gpu_path if kernel.gpu is DriverLocation.MODULE else kernel.gpu.value
    lines = [f"kernel {kernel.version}: virtio_gpu {place}"]
    ramfs = kernel.initramfs
    if ramfs is None:
        lines.append("  no initramfs")
    elif ramfs.fault:
        lines.append(f"  {ramfs.path}: {ramfs.fault}")
    else:
        within = "with" if "virtio_gpu" in ramfs.modules else "without"
        lines.append(
            f"  {ramfs.path}: {ramfs.kind}, {size(ramfs.size)}, "
            f"{'+'.join(ramfs.segments)}, {len(ramfs.modules)} modules, {within} virtio_gpu"
        )
    return lines
