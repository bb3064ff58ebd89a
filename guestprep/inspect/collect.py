"""Reading from a mounted guest what its facts are made from, in few calls."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from core.untrusted_names import relative_name
from guestprep import limits
from guestprep.appliance import Appliance, GuestCallError
from guestprep.facts import BootLoader
from guestprep.inspect.layout import DiskLayout
from guestprep.inspect.places import (
    CLOUD_INIT_OFF,
    CLOUD_INIT_STATE,
    GETTY_DROP_INS,
    GETTY_MASKS,
    GETTY_WANTS,
    LOADER_CONF,
    MACHINE_IDS,
    NETPLAN,
    SECRETS,
    SYSTEMD,
)
from guestprep.parse import bls, grub
from guestprep.parse.elf import elf_architecture
from guestprep.parse.grub import BootEntry
from guestprep.parse.loaders import own_loader
from guestprep.parse.modules import is_kernel_version, is_module, module_name
from guestprep.parse.text import decode
from guestprep.target import DRIVER, MACHINES

#: Files that are read if they exist.
_TEXTS = (
    "/etc/os-release",
    "/usr/lib/os-release",
    "/etc/machine-id",
    "/var/lib/dbus/machine-id",
    "/etc/timezone",
    "/etc/default/grub",
    "/etc/modules",
    "/etc/kernel/cmdline",
    "/etc/selinux/config",
    "/etc/cloud/cloud.cfg",
    "/var/lib/dpkg/status",
    "/var/lib/dpkg/info/format",
    "/var/lib/apt/extended_states",
)

#: Where cloud-init looks for data before it asks a cloud, and a file that it then finds there.
_SEED, _SEEDED = "/var/lib/cloud/seed", ("meta-data", "user-data")

#: Folders of which every file is read.
_FOLDERS = (
    "/etc/default/grub.d",
    "/etc/modules-load.d",
    "/etc/initramfs-tools/hooks",
    "/etc/dracut.conf.d",
    "/etc/cloud/cloud.cfg.d",
    NETPLAN,
    *GETTY_DROP_INS,
)

#: Where the menu can be; Debian's family has the first.
_MENUS = ("/boot/grub/grub.cfg", "/boot/grub2/grub.cfg")

#: Where GRUB's blscfg reads entries; systemd-boot reads those on the ESP too.
_ENTRIES = "/boot/loader/entries"

#: What systemd-boot says of itself in its file (its section .sdmagic).
_SYSTEMD_BOOT = b"LoaderInfo: systemd-boot"

#: Vendors' folders on an ESP that are looked into.
_VENDORS = 50

#: Bytes of a loader that are looked through; GRUB's is larger, systemd-boot's is not.
_LOADER_HEAD = 1 << 20

#: Of each kernel's folder of modules.
_INDICES = ("modules.dep", "modules.builtin", "modules.softdep", "modules.order")

#: A program that every system has, to read the architecture from.
_PROGRAMS = ("/usr/bin/ls", "/bin/ls", "/usr/bin/dpkg")


@dataclass(frozen=True)
class KernelContents:
    """What was read for one kernel."""

    version: str
    image: str
    """Path of the kernel file."""
    texts: Mapping[str, str]
    """Content of its module indices by name, and of its configuration as ``config``."""
    gpu_file: str
    """Path of virtio_gpu's module file; empty when there is none."""
    initramfs_path: str
    """Path of its initramfs; empty when there is none."""
    initramfs_copy: Path | None
    """A local copy of the initramfs."""


@dataclass(frozen=True)
class GuestContents:
    """What was read from a guest."""

    layout: DiskLayout
    texts: Mapping[str, str]
    """Content of text files by path, of those that exist."""
    names: Mapping[str, tuple[str, ...]]
    """Names in folders, by the folder's path."""
    program: bytes
    """The first bytes of one of its programs."""
    usr_merged: bool
    """Whether /lib is a link into /usr."""
    menu: str
    """Path of grub.cfg; empty when there is none."""
    kernels: tuple[KernelContents, ...]
    boot_sector: bytes = b""
    """The disk's first bytes, which a BIOS starts."""
    loader: BootLoader = BootLoader.GRUB
    entries: tuple[BootEntry, ...] = ()
    """The entries in files of their own that the loader reads."""
    loaders: tuple[str, ...] = ()
    """Paths on the ESP of the programs in its vendors' folders."""
    unified: tuple[str, ...] = ()
    """Paths on the ESP of unified kernel images."""
    machine_id_linked: bool = False
    """Whether one of the files with a machine-id is a link, and so no copy."""
    getty_masks: tuple[str, ...] = ()
    """Paths of masked units, of those that the screen's login prompt needs."""
    localtime: str = ""
    """The target of the link /etc/localtime."""
    cloud_seeds: tuple[str, ...] = ()
    """Folders with data for cloud-init on the disk itself."""
    watched: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    """SHA-256 and permissions by path, of the files looked for."""

    @property
    def dpkg_status(self) -> str:
        """The text of dpkg's database of packages; empty when there is none."""
        return self.texts.get("/var/lib/dpkg/status", "")


def collect(
    appliance: Appliance, layout: DiskLayout, work: Path, watch: Iterable[str] = ()
) -> GuestContents:
    """Read what facts are made from in a guest mounted at ``/``.

    :param work: a folder for local copies of the initramfs files.
    :param watch: paths of files whose digest and permissions are wanted.
    """
    texts: dict[str, str] = {}
    for path in _TEXTS:
        read_text(appliance, path, texts)
    names = {folder: tuple(appliance.list_directory(folder)) for folder in _FOLDERS}
    for folder, inside in names.items():
        read_folder(appliance, folder, inside, texts)
    menu = next((path for path in _MENUS if read_text(appliance, path, texts)), "")
    if menu:
        read_text(appliance, grub.environment_path(menu), texts)
    programs = tuple(_programs(appliance, layout))
    unified = tuple(path for path in programs if path.lower().startswith("efi/linux/"))
    loader = _loader(appliance, layout, programs)
    entries = tuple(_entries(appliance, layout, loader, menu, texts))
    for folder in (
        "/boot",
        "/lib/modules",
        "/etc/ssh",
        *CLOUD_INIT_STATE,
        "/var/lib/apt/lists",
    ):
        names[folder] = tuple(appliance.list_directory(folder))
    marks = (
        "/usr/sbin/update-initramfs",
        "/usr/bin/dracut",
        "/usr/bin/cloud-init",
        "/var/lib/cloud/instance",
        CLOUD_INIT_OFF,
        *SECRETS,
        *SYSTEMD,
        *GETTY_WANTS,
    )
    names["present"] = tuple(path for path in marks if _present(appliance, path))
    seeds = [f"{_SEED}/{name}" for name in appliance.list_directory(_SEED)]
    named = {entry.version for entry in entries}
    versions = [
        version
        for version in names["/lib/modules"]
        if is_kernel_version(version)
        and (f"vmlinuz-{version}" in names["/boot"] or version in named)
    ]
    limits.check_count("kernels", len(versions), limits.KERNELS)
    program = program_head(appliance)
    return GuestContents(
        layout=layout,
        texts=texts,
        names=names,
        program=program,
        boot_sector=boot_sector(appliance, elf_architecture(program)),
        usr_merged=appliance.is_link("/lib"),
        menu=menu,
        kernels=tuple(_kernels(appliance, versions, names["/boot"], entries, work)),
        loader=loader,
        entries=entries,
        loaders=tuple(path for path in programs if path not in unified),
        unified=unified,
        machine_id_linked=any(map(appliance.is_link, MACHINE_IDS)),
        getty_masks=tuple(path for path in GETTY_MASKS if _target(appliance, path) == "/dev/null"),
        cloud_seeds=tuple(
            seed for seed in seeds if set(_SEEDED) & set(appliance.list_directory(seed))
        ),
        localtime=_target(appliance, "/etc/localtime"),
        watched=_watched(appliance, watch),
    )


def _loader(appliance: Appliance, layout: DiskLayout, programs: Sequence[str]) -> BootLoader:
    """The loader that UEFI starts by default, or will start, told by its file."""
    name = layout.loader or own_loader(programs)
    if layout.esp is not None and name:
        path = f"{layout.esp.where}/{name}"
        with contextlib.suppress(GuestCallError):
            if _SYSTEMD_BOOT in appliance.read_head(path, _LOADER_HEAD):
                return BootLoader.SYSTEMD_BOOT
    return BootLoader.GRUB


def _entries(
    appliance: Appliance, layout: DiskLayout, loader: BootLoader, menu: str, texts: dict[str, str]
) -> Iterator[BootEntry]:
    """The entries in files of their own that the loader reads; their texts go into *texts*."""
    esp = layout.esp.where if layout.esp is not None else ""
    folders = {_ENTRIES: "/boot" if any(m.where == "/boot" for m in layout.places) else ""}
    values: dict[str, tuple[str, ...]] = {}
    if loader is BootLoader.SYSTEMD_BOOT:
        folders[f"{esp}/loader/entries"] = esp
        read_text(appliance, f"{esp}/{LOADER_CONF}", texts)
    elif menu and "blscfg" in grub.commands(texts[menu]):
        block = texts.get(grub.environment_path(menu), "")
        values = grub.with_environment(grub.assignments(texts[menu]), grub.environment(block))
    else:
        return
    for folder, top in folders.items():
        names = [name for name in appliance.list_directory(folder) if name.endswith(".conf")]
        read_folder(appliance, folder, names, texts)
        for path in (f"{folder}/{name}" for name in names):
            found = bls.entry(path, texts[path], values) if path in texts else None
            # An entry whose kernel isn't there is no entry.
            if found is not None and appliance.is_file(path_below(top, found.kernel)):
                yield replace(found, top=top)


def _programs(appliance: Appliance, layout: DiskLayout) -> Iterator[str]:
    """Paths on the ESP of the programs for UEFI in its vendors' folders."""
    if layout.esp is None:
        return
    top = f"{layout.esp.where}/EFI"
    for folder in appliance.list_directory(top)[:_VENDORS]:
        for name in appliance.list_directory(f"{top}/{folder}"):
            if name.lower().endswith(".efi"):
                yield f"EFI/{folder}/{name}"


def _target(appliance: Appliance, path: str) -> str:
    return str(appliance.call("readlink", path)) if appliance.is_link(path) else ""


def _watched(appliance: Appliance, paths: Iterable[str]) -> dict[str, tuple[str, int]]:
    found = {}
    for path in paths:
        if appliance.is_file(path):
            limits.check(path, appliance.file_size(path), limits.COMPARED)
            digest = str(appliance.call("checksum", "sha256", path))
            found[path] = (digest, int(appliance.call("statns", path)["st_mode"]) & 0o7777)
    return found


def read_text(appliance: Appliance, path: str, into: dict[str, str]) -> bool:
    """Put a file's text into *into*; whether there was one that could be read."""
    try:
        into[path] = decode(appliance.read(path))
    except GuestCallError:
        return False
    return True


def read_folder(
    appliance: Appliance, folder: str, names: Iterable[str], into: dict[str, str]
) -> None:
    """Put the texts of all files in a folder of settings into *into*.

    :raises UnusableInput: they are larger than any settings.
    """
    total = 0
    for name in names:
        if read_text(appliance, f"{folder}/{name}", into):
            total += len(into[f"{folder}/{name}"])
            limits.check(folder, total, limits.SETTINGS)


def _present(appliance: Appliance, path: str) -> bool:
    """Whether there is something, a link that leads nowhere included: in one call."""
    with contextlib.suppress(GuestCallError):
        return bool(appliance.call("lstatns", path))
    return False


def program_head(appliance: Appliance) -> bytes:
    """The first bytes of a program, to read the architecture from; empty when there is none."""
    for path in _PROGRAMS:
        with contextlib.suppress(GuestCallError):
            return appliance.read_head(path, 64)
    return b""


def boot_sector(appliance: Appliance, architecture: str) -> bytes:
    """The bytes at the disk's beginning that a BIOS starts; empty where machines have none."""
    if architecture not in MACHINES or not MACHINES[architecture].bios:
        return b""
    return bytes(appliance.call("pread_device", appliance.devices()[0], 440, 0))


def _kernels(
    appliance: Appliance,
    versions: Sequence[str],
    boot: tuple[str, ...],
    entries: Sequence[BootEntry],
    work: Path,
) -> Iterator[KernelContents]:
    """What is read for each kernel, with local copies of the initramfs files."""
    left = limits.ALL_INITRAMFS
    for number, version in enumerate(versions):
        at_most = min(left, limits.INITRAMFS)
        entry = next((entry for entry in entries if entry.version == version), None)
        local = work / f"initramfs-{number}"
        found = _kernel(appliance, version, boot, entry, local, at_most)
        if found.initramfs_copy is not None:
            left -= found.initramfs_copy.stat().st_size
        yield found


def _kernel(
    appliance: Appliance,
    version: str,
    boot: tuple[str, ...],
    entry: BootEntry | None,
    local: Path,
    at_most: int,
) -> KernelContents:
    texts: dict[str, str] = {}
    for name in _INDICES:
        path = f"/lib/modules/{version}/{name}"
        if read_text(appliance, path, texts):
            texts[name] = texts.pop(path)
    config = f"/boot/config-{version}"
    if read_text(appliance, config, texts):
        texts["config"] = texts.pop(config)
    # A file that depmod hasn't seen yet is not in modules.dep.
    folder = f"/lib/modules/{version}/kernel/drivers/gpu/drm/virtio"
    inside = appliance.list_directory(folder)
    found = [name for name in inside if is_module(name) and module_name(name) == DRIVER]
    names = (f"initrd.img-{version}", f"initramfs-{version}.img", f"initrd-{version}")
    initramfs = next((f"/boot/{name}" for name in names if name in boot), "")
    if entry is not None and entry.initrd:
        # kernel-install has put a copy where the loader reads it.
        initramfs = path_below(entry.top, entry.initrd[-1])
    copy = None
    if initramfs:
        copy = local
        appliance.download(initramfs, copy, at_most=at_most)
    return KernelContents(
        version=version,
        image=path_below(entry.top, entry.kernel) if entry else f"/boot/vmlinuz-{version}",
        texts=texts,
        gpu_file=f"{folder}/{found[0]}" if found else "",
        initramfs_path=initramfs,
        initramfs_copy=copy,
    )


def path_below(top: str, path: str) -> str:
    """A path of an entry in the guest's tree.

    :raises UnusableInput: it leads out of the file system that it is on.
    """
    return f"{top}/{relative_name(path.lstrip('/'), of='a boot entry')}"
