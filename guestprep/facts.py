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
from guestprep.target import DRIVER


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
    """A partition or unpartitioned disk."""

    device: str
    """The appliance's name; good for one launch only."""
    role: Role
    type: str
    """Of its file system (``ext4``, ``vfat`` …), empty where there is none."""
    label: str
    uuid: str
    partuuid: str
    table_type: str
    """The partition's type GUID in the GPT, lower case."""
    mounted: str
    """Where the guest mounts it, by its fstab or its role."""
    free: int | None
    """Bytes that can still be written; None where not mounted for inspection."""
    capacity: int | None = None
    """Bytes of the whole file system; None where not mounted for inspection."""
    number: int = 0
    """In the table of partitions; 0 for a disk without one."""
    start: int = 0
    """Of the partition, in bytes."""
    length: int = 0
    """Of the partition, in bytes."""

    @property
    def end(self) -> int:
        """The byte behind its last one."""
        return self.start + self.length


@dataclass(frozen=True)
class InitramfsFacts:
    """An initramfs."""

    path: str
    """In the guest."""
    size: int
    """Bytes of the file."""
    kind: InitramfsKind
    segments: tuple[str, ...]
    """The compression of each archive in it, in order."""
    modules: tuple[str, ...]
    """Names of the modules in it for its kernel, sorted."""
    loads: tuple[str, ...]
    """Names of modules it is told to load, in order."""
    indexed: tuple[str, ...]
    """Names of the modules that its modules.dep knows."""
    programs: tuple[str, ...]
    """The architectures that its most needed programs are for."""
    fault: str | None
    """Why it could not be read to its end; None when it could."""


@dataclass(frozen=True)
class KernelFacts:
    """An installed kernel."""

    version: str
    """``uname -r``."""
    image: str
    """Path of the kernel."""
    package: str
    """The package that owns it, with its version; empty when none does."""
    package_version: str
    gpu: DriverLocation
    """Where virtio_gpu is."""
    gpu_path: str
    """The module file, below the kernel's folder of modules."""
    needs: tuple[str, ...]
    """Paths of the module files that virtio_gpu needs, itself included."""
    drm: bool
    """Whether this kernel can have graphics drivers at all (CONFIG_DRM)."""
    initramfs: InitramfsFacts | None


@dataclass(frozen=True)
class GrubFacts:
    """The boot loader."""

    config: str
    """Path of the grub.cfg with the menu."""
    entries: tuple[BootEntry, ...]
    drop_ins: tuple[str, ...]
    """Names in /etc/default/grub.d, sorted."""
    drop_in_text: str
    """Of kollarm's own among them; empty when there is none."""
    force_partuuid: bool
    """Whether a setting lets it boot without an initramfs first."""


@dataclass(frozen=True)
class Leftovers:
    """Traces of a machine that an image shouldn't carry into each of its guests."""

    machine_id: bool
    """Whether /etc/machine-id names a machine."""
    host_keys: tuple[str, ...]
    """The SSH host keys there are."""
    cloud_init: tuple[str, ...]
    """Cloud-init's state of an earlier boot, as paths."""
    apt_lists: tuple[str, ...]
    """Files of downloaded package lists."""


@dataclass(frozen=True)
class FileFacts:
    """A file of the guest that the spec is about."""

    path: str
    sha256: str
    mode: int


@dataclass(frozen=True)
class GuestFacts:
    """Everything that the plan is made from."""

    disk: DiskFacts
    partition_table: str
    architecture: str
    """The kernel's name for it: ``aarch64``, ``x86_64``; empty when unknown."""
    distribution: str
    """Os-release's ID, ``debian`` or ``ubuntu`` for those known here."""
    release: str
    """Os-release's VERSION_ID."""
    codename: str
    """Its VERSION_CODENAME."""
    pretty_name: str
    partitions: tuple[Partition, ...]
    uefi: str
    """Path of the loader that UEFI starts by itself, on the ESP; empty when none."""
    kernels: tuple[KernelFacts, ...]
    grub: GrubFacts | None
    modules_load: tuple[str, ...]
    """Names that /etc/modules-load.d and /etc/modules load."""
    initramfs_hook: bool
    """Whether the guest's own tools are told to put virtio_gpu into the next initramfs as well."""
    tools: InitramfsKind
    """Which initramfs maker is installed."""
    cloud_init: bool
    usr_merged: bool
    """Whether /lib is a link into /usr."""
    installed: tuple[str, ...]
    unready: tuple[str, ...]
    leftovers: Leftovers
    admin_user: str = ""
    """The user that cloud-init makes; empty when it names none."""
    timezone: str = ""
    """By /etc/localtime."""
    timezone_file: str | None = None
    """Whether /etc/timezone names it too."""
    files: tuple[FileFacts, ...] = ()
    """Those there are of the files looked for."""

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

    def to_dict(self) -> dict[str, object]:
        """Plain data for JSON; the list of installed packages only as a count."""
        data = dataclasses.asdict(self)
        data["installed"] = len(self.installed)
        if self.grub is not None:
            data["grub"]["entries"] = [
                dataclasses.asdict(entry) | {"consoles": entry.consoles, "rescue": entry.rescue}
                for entry in self.grub.entries
            ]
        return data

    def to_text(self) -> str:
        """The facts for a person."""
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
        return "\n".join(out)


def _partition_line(part: Partition) -> str:
    named = ", ".join(
        f"{key} {value}" for key, value in (("label", part.label), ("UUID", part.uuid)) if value
    )
    free = f", {size(part.free)} free" if part.free is not None else ""
    where = f" at {part.mounted}" if part.mounted else ""
    return f"{part.role}{where}: {part.type or 'no file system'} ({named or 'unnamed'}){free}"


def _kernel_lines(kernel: KernelFacts) -> list[str]:
    place = kernel.gpu_path if kernel.gpu is DriverLocation.MODULE else kernel.gpu.value
    lines = [f"kernel {kernel.version}: {DRIVER} {place}"]
    ramfs = kernel.initramfs
    if ramfs is None:
        lines.append("  no initramfs")
    elif ramfs.fault:
        lines.append(f"  {ramfs.path}: {ramfs.fault}")
    else:
        within = "with" if DRIVER in ramfs.modules else "without"
        lines.append(
            f"  {ramfs.path}: {ramfs.kind}, {size(ramfs.size)}, "
            f"{'+'.join(ramfs.segments)}, {len(ramfs.modules)} modules, {within} {DRIVER}"
        )
    return lines
