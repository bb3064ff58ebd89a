"""What is known of a guest image: plain data, found by :mod:`guestprep.inspect`.

Everything here is as the image has it; :mod:`guestprep.plan` decides what to change.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from enum import StrEnum

from core.progress import size
from core.text_output import joined_lines
from guestprep.parse.grub import BootEntry
from guestprep.parse.modules import module_name
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
    """Where a kernel has its driver for the screen."""

    BUILTIN = "built in"
    MODULE = "module"
    MISSING = "missing"


class InitramfsKind(StrEnum):
    """The program that built an initramfs; each configures modules to load in its own way."""

    INITRAMFS_TOOLS = "initramfs-tools"
    DRACUT = "dracut"
    UNKNOWN = "unknown"


class BootLoader(StrEnum):
    """What UEFI starts by default."""

    GRUB = "GRUB"
    SYSTEMD_BOOT = "systemd-boot"


@dataclass(frozen=True)
class Partition:
    """A partition, a logical volume, or a whole disk without a partition table."""

    device: str
    """The appliance's name for it, valid for one launch only."""
    role: Role
    type: str
    """Type of its file system (``ext4``, ``vfat`` …); empty where there is none."""
    label: str
    """Label of its file system."""
    uuid: str
    """UUID of its file system."""
    partuuid: str
    """UUID of the partition in the partition table."""
    table_type: str
    """Type GUID of the partition in the GPT, in lower case."""
    mounted: str
    """Where the guest mounts it, by its fstab or its role; empty when unknown."""
    free: int | None
    """Free bytes of the file system; None where it wasn't mounted for inspection."""
    capacity: int | None = None
    """Bytes of the whole file system; None where it wasn't mounted for inspection."""
    number: int = 0
    """Number of the partition in the partition table; 0 for a disk without a table."""
    start: int = 0
    """Offset of the partition's first byte."""
    length: int = 0
    """Bytes of the partition."""
    partlabel: str = ""
    """Name of the partition in the GPT."""
    paths: tuple[str, ...] = ()
    """A logical volume's paths in the guest, the usual one first; empty for a partition."""

    @property
    def end(self) -> int:
        """Offset behind the partition's last byte."""
        return self.start + self.length


@dataclass(frozen=True)
class InitramfsFacts:
    """A kernel's initramfs."""

    path: str
    """The file's path in the guest."""
    size: int
    """Bytes of the file."""
    kind: InitramfsKind
    segments: tuple[str, ...]
    """Compression of each segment, in order."""
    modules: tuple[str, ...]
    """Names of the modules in it for its kernel, sorted."""
    loads: tuple[str, ...]
    """Names of the modules it is configured to load, in order."""
    indexed: tuple[str, ...]
    """Names of the modules that its modules.dep lists."""
    programs: tuple[str, ...]
    """Architectures of the programs in it that every boot needs."""
    fault: str | None
    """Why it could not be read to its end; None when it could."""


@dataclass(frozen=True)
class KernelFacts:
    """An installed kernel."""

    version: str
    """Its version, as ``uname -r`` shows it."""
    image: str
    """Path of the kernel file."""
    package: str
    """Name of the package that owns it; empty when none does."""
    package_version: str
    """Version of the package that owns it."""
    gpu: DriverLocation
    """Where virtio_gpu is."""
    gpu_path: str
    """Path of virtio_gpu's module file, relative to the kernel's folder of modules."""
    needs: tuple[str, ...]
    """Paths of the module files that virtio_gpu needs, its own included."""
    drm: bool
    """Whether this kernel can have graphics drivers at all (CONFIG_DRM)."""
    initramfs: InitramfsFacts | None
    disk_needs: tuple[str, ...] = ()
    """Paths of the module files that the disk's drivers need, their own included."""

    screen_lacks: tuple[str, ...] = ()
    """The options that it lacks to show text on a screen; empty where its options are unknown."""
    keyboard_lacks: tuple[str, ...] = ()
    """Names of the USB keyboard's modules that it has neither built in nor as a file."""

    @property
    def required(self) -> frozenset[str]:
        """Names of the modules that its initramfs must have."""
        return frozenset(module_name(path) for path in (*self.needs, *self.disk_needs))


@dataclass(frozen=True)
class GrubFacts:
    """GRUB's menu and settings."""

    config: str
    """Path of the grub.cfg with the menu."""
    entries: tuple[BootEntry, ...]
    """The menu's entries that boot a kernel."""
    drop_ins: tuple[str, ...]
    """Names of the files in /etc/default/grub.d, sorted."""
    drop_in_text: str
    """Content of kollarm's own file among them; empty when there is none."""
    force_partuuid: bool
    """Whether a setting (GRUB_FORCE_PARTUUID) makes it try to boot without an initramfs first."""
    variables: tuple[str, ...] = ()
    """Names of the variables that kernels' command lines are made of."""
    variable_words: tuple[str, ...] = ()
    """Words that these have in the menu itself."""
    environment: str = ""
    """Path of its environment (grubenv), where the menu reads it."""
    environment_words: tuple[str, ...] = ()
    """Words that entries' variables have there."""
    repairs: str = ""
    """Title of what it starts by itself if that is an entry for repairs; else empty."""
    settings_words: tuple[str, ...] | None = None
    """Words that GRUB_CMDLINE_LINUX has in /etc/default/grub; None where it isn't set there."""


@dataclass(frozen=True)
class Leftovers:
    """Identity and state of one machine, which an image must not give to all of its guests."""

    machine_id: bool
    """Whether a file names a machine: /etc/machine-id, or another that it would be made from."""
    host_keys: tuple[str, ...]
    """Paths of SSH host keys."""
    cloud_init: tuple[str, ...]
    """Paths of cloud-init's state from an earlier boot."""
    apt_lists: tuple[str, ...]
    """Paths of downloaded package lists."""
    machine_id_copies: tuple[str, ...] = ()
    """Paths of further files with a machine-id, from which systemd makes a missing one."""
    secrets: tuple[str, ...] = ()
    """Paths of random seeds, and of the secret that systemd encrypts credentials with."""

    @property
    def of_a_machine(self) -> bool:
        """Whether a machine has used the image, and left what is only its own."""
        return bool(self.machine_id or self.host_keys or self.cloud_init or self.secrets)


@dataclass(frozen=True)
class FileFacts:
    """A file of the guest that was looked for."""

    path: str
    sha256: str
    mode: int
    """Its permissions."""


@dataclass(frozen=True)
class GuestFacts:
    """Everything that a plan is made from."""

    disk: DiskFacts
    partition_table: str
    """Its type: ``gpt``, ``msdos`` or ``none``."""
    architecture: str
    """The kernel's name for the architecture (``aarch64``, ``x86_64``); empty when unknown."""
    distribution: str
    """ID in os-release, such as ``debian`` or ``ubuntu``."""
    release: str
    """VERSION_ID in os-release."""
    codename: str
    """VERSION_CODENAME in os-release."""
    pretty_name: str
    """PRETTY_NAME in os-release."""
    partitions: tuple[Partition, ...]
    uefi: str
    """Path on the ESP of the loader that UEFI starts by default; empty when there is none."""
    kernels: tuple[KernelFacts, ...]
    """The installed kernels that have modules."""
    grub: GrubFacts | None
    modules_load: tuple[str, ...]
    """Names of the modules that /etc/modules-load.d and /etc/modules load."""
    initramfs_hook: bool
    """Whether the guest's own tools are configured to put virtio_gpu into later initramfs files."""
    tools: InitramfsKind
    """Which tools to build an initramfs are installed."""
    cloud_init: bool
    """Whether cloud-init is installed."""
    usr_merged: bool
    """Whether /lib is a link into /usr."""
    installed: tuple[str, ...]
    """Names of the installed packages, sorted."""
    unready: tuple[str, ...]
    """Names of packages that are neither fully installed nor fully removed."""
    leftovers: Leftovers
    bios: bool = False
    """Whether the disk starts with GRUB for machines without UEFI."""
    absent: tuple[str, ...] = ()
    """File systems that its fstab has and the disk hasn't, each with its place."""
    esp: str = ""
    """Where the guest mounts its ESP; empty where it has no place for it."""
    loaders: tuple[str, ...] = ()
    """Paths on the ESP of the programs in its vendors' folders."""
    loader: BootLoader = BootLoader.GRUB
    """The loader in use."""
    loader_entries: tuple[BootEntry, ...] = ()
    """The entries in files of their own that the loader in use reads."""
    unified: tuple[str, ...] = ()
    """Paths on the ESP of unified kernel images, which have their command line inside."""
    started: str = ""
    """Path of the entry or image that systemd-boot starts by itself; empty for another loader."""
    waiting: str = ""
    """Path of the settings by which systemd-boot waits at its menu for a person; empty for none."""
    kernel_cmdline: tuple[str, ...] | None = None
    """Words of /etc/kernel/cmdline, for later kernels' entries; None without that file."""
    selinux: bool = False
    """Whether SELinux is on, which needs a label on every file."""
    systemd: bool = False
    """Whether systemd is installed."""
    getty_enabled: bool = True
    """Whether systemd is set to start a login prompt on the screen (tty1)."""
    getty_masks: tuple[str, ...] = ()
    """Paths of what keeps systemd from starting it."""
    getty_autologin: bool = False
    """Whether it logs in somebody by itself."""
    cloud_init_off: bool = False
    """Whether a file turns cloud-init off."""
    datasources: tuple[str, ...] | None = None
    """Names of the datasources that cloud-init tries; None where its settings name none."""
    cloud_seeds: tuple[str, ...] = ()
    """Folders with data for cloud-init on the disk itself, which it takes instead of a cloud's."""
    fixed_networks: tuple[str, ...] = ()
    """Paths of network settings for one machine's address (MAC) that no guest makes again."""
    admin_user: str = ""
    """The user that cloud-init creates; empty when it names none."""
    timezone: str = ""
    """The zone that /etc/localtime points to; empty when it points to none."""
    timezone_file: str | None = None
    """The zone that /etc/timezone names; None without that file."""
    files: tuple[FileFacts, ...] = ()
    """The files that were looked for and found."""

    def file(self, path: str) -> FileFacts | None:
        """A file that was looked for; None where it wasn't found."""
        return next((file for file in self.files if file.path == path), None)

    @property
    def last(self) -> Partition | None:
        """The partition at the disk's end."""
        return max(self.partitions, key=lambda part: part.start, default=None)

    def partition(self, role: Role) -> Partition | None:
        """The first partition with a role."""
        return next((part for part in self.partitions if part.role is role), None)

    @property
    def entries(self) -> tuple[BootEntry, ...]:
        """The kernels of the menu of the loader in use."""
        return (self.grub.entries if self.grub is not None else ()) + self.loader_entries

    @property
    def booted(self) -> tuple[KernelFacts, ...]:
        """The kernels that the menu boots; all of them where that is unclear."""
        versions = {entry.version for entry in self.entries if not entry.rescue}
        named = tuple(kernel for kernel in self.kernels if kernel.version in versions)
        return named if named and "" not in versions else self.kernels

    def to_dict(self) -> dict[str, object]:
        """The facts as plain data; of the installed packages only their number."""
        data = dataclasses.asdict(self)
        data["installed"] = len(self.installed)
        data["loader_entries"] = _entries(self.loader_entries)
        if self.grub is not None:
            data["grub"]["entries"] = _entries(self.grub.entries)
        return data

    def to_text(self) -> str:
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
        out.append(f"UEFI loader: {self.uefi or 'none'}{', BIOS: GRUB' if self.bios else ''}")
        if self.timezone:
            out.append(f"time zone: {self.timezone}")
        for kernel in self.kernels:
            out += _kernel_lines(kernel)
        if self.grub is None:
            lacking = "" if self.loader_entries else ", no menu found"
            out.append(f"boot loader: {self.loader}{lacking}")
        else:
            first = (
                ", which tries to boot without an initramfs first"
                if self.grub.force_partuuid
                else ""
            )
            out.append(f"GRUB menu {self.grub.config}{first}:")
            for entry in self.grub.entries:
                out.append(_entry_line(entry))
        out += [_entry_line(entry) for entry in self.loader_entries]
        if self.started:
            out.append(f"started by itself: {self.started}")
        out += [f"unified kernel image: {path}" for path in self.unified]
        return joined_lines(out)


def _entries(entries: tuple[BootEntry, ...]) -> list[dict[str, object]]:
    return [
        dataclasses.asdict(entry) | {"consoles": entry.consoles, "rescue": entry.rescue}
        for entry in entries
    ]


def _entry_line(entry: BootEntry) -> str:
    return f"  {entry.title}: {entry.kernel} {' '.join(entry.words)}"


def _partition_line(part: Partition) -> str:
    known = (("volume", "".join(part.paths[:1])), ("label", part.label), ("UUID", part.uuid))
    names = ", ".join(f"{key} {value}" for key, value in known if value)
    free = f", {size(part.free)} free" if part.free is not None else ""
    where = f" at {part.mounted}" if part.mounted else ""
    return f"{part.role}{where}: {part.type or 'no file system'} ({names or 'unnamed'}){free}"


def _kernel_lines(kernel: KernelFacts) -> list[str]:
    location = kernel.gpu_path if kernel.gpu is DriverLocation.MODULE else kernel.gpu.value
    lines = [f"kernel {kernel.version}: {DRIVER} {location}"]
    ramfs = kernel.initramfs
    if ramfs is None:
        lines.append("  no initramfs")
    elif ramfs.fault:
        lines.append(f"  {ramfs.path}: {ramfs.fault}")
    else:
        presence = "with" if DRIVER in ramfs.modules else "without"
        lines.append(
            f"  {ramfs.path}: {ramfs.kind}, {size(ramfs.size)}, "
            f"{'+'.join(ramfs.segments)}, {len(ramfs.modules)} modules, {presence} {DRIVER}"
        )
    return lines
