"""Facts from a guest's contents: pure, so that every layout is tested without an appliance."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from guestprep.facts import (
    BootLoader,
    DriverLocation,
    FileFacts,
    GrubFacts,
    GuestFacts,
    InitramfsKind,
    KernelFacts,
    Leftovers,
)
from guestprep.inspect.collect import GuestContents, KernelContents
from guestprep.inspect.identify import (
    admin_user,
    cloud_settings,
    release_of,
    starts_by_bios,
    uefi_loader,
)
from guestprep.inspect.initramfs import read_initramfs
from guestprep.inspect.places import (
    CLOUD_INIT_OFF,
    CLOUD_INIT_STATE,
    GETTY_DROP_INS,
    GETTY_WANTS,
    LOADER_CONF,
    MACHINE_IDS,
    NETPLAN,
    SECRETS,
    SYSTEMD,
)
from guestprep.parse import grub, grub_default, loader_conf
from guestprep.parse.cloudcfg import datasources, network_left_alone
from guestprep.parse.dpkg import DpkgStatus, parse_status
from guestprep.parse.elf import elf_architecture
from guestprep.parse.modules import module_name, parse_index
from guestprep.parse.text import kernel_config, word_lines
from guestprep.source import DiskFacts
from guestprep.target import DISK_DRIVERS, DRIVER, KEYBOARD_DRIVERS, MACHINES, SCREEN_OPTIONS

_SELINUX_ON = re.compile(r"^SELINUX=(enforcing|permissive)\s*$", re.MULTILINE)


def analyse(disk: DiskFacts, contents: GuestContents) -> GuestFacts:
    """The facts that the contents show."""
    texts, names = contents.texts, contents.names
    release = release_of(texts)
    status = parse_status(contents.dpkg_status)
    present = names.get("present", ())
    architecture = elf_architecture(contents.program)
    kernels = tuple(_kernel(kernel, status) for kernel in contents.kernels)
    machine = MACHINES.get(architecture)
    if machine is not None and not machine.needs_driver:
        kernels = tuple(map(_without_driver, kernels))
    esp = contents.layout.esp.where if contents.layout.esp is not None else ""
    settings = f"{esp}/{LOADER_CONF}"
    return GuestFacts(
        disk=disk,
        partition_table=contents.layout.table,
        architecture=architecture,
        distribution=release.get("ID", ""),
        release=release.get("VERSION_ID", ""),
        codename=release.get("VERSION_CODENAME", "") or release.get("UBUNTU_CODENAME", ""),
        pretty_name=release.get("PRETTY_NAME", ""),
        partitions=contents.layout.partitions,
        uefi=uefi_loader(architecture, contents.layout.loader),
        bios=starts_by_bios(architecture, contents.boot_sector),
        kernels=kernels,
        grub=_grub(contents),
        absent=contents.layout.absent,
        esp=esp,
        loaders=contents.loaders,
        loader=contents.loader,
        loader_entries=contents.entries,
        unified=contents.unified,
        started=(
            loader_conf.started(contents.entries, contents.unified, texts.get(settings, ""))
            if contents.loader is BootLoader.SYSTEMD_BOOT
            else ""
        ),
        waiting=settings if loader_conf.waits(texts.get(settings, "")) else "",
        kernel_cmdline=(
            grub.split_words(texts["/etc/kernel/cmdline"])
            if "/etc/kernel/cmdline" in texts
            else None
        ),
        modules_load=_modules_load(texts),
        initramfs_hook=any(
            DRIVER in text.replace("-", "_")
            for path, text in texts.items()
            if path.startswith("/etc/initramfs-tools/hooks/")
            or (path.startswith("/etc/dracut.conf.d/") and path.endswith(".conf"))
        ),
        tools=tools_in_use(present, kernels),
        selinux=bool(_SELINUX_ON.search(texts.get("/etc/selinux/config", ""))),
        systemd=bool(set(SYSTEMD) & set(present)),
        getty_enabled=bool(set(GETTY_WANTS) & set(present)),
        getty_masks=contents.getty_masks,
        getty_autologin=any(
            "--autologin" in text
            for path, text in texts.items()
            if path.startswith(GETTY_DROP_INS) and path.endswith(".conf")
        ),
        cloud_init="/usr/bin/cloud-init" in present,
        cloud_init_off=CLOUD_INIT_OFF in present,
        datasources=datasources(cloud_settings(texts)),
        cloud_seeds=contents.cloud_seeds,
        fixed_networks=tuple(
            path
            for path, text in texts.items()
            if path.startswith(f"{NETPLAN}/") and "macaddress:" in text
        )
        if network_left_alone(cloud_settings(texts))
        else (),
        usr_merged=contents.usr_merged,
        installed=tuple(
            sorted(package.name for package in status.packages.values() if package.installed)
        ),
        unready=status.unready,
        leftovers=_leftovers(contents),
        admin_user=admin_user(texts),
        timezone=contents.localtime.partition("zoneinfo/")[2],
        timezone_file=texts["/etc/timezone"].strip() if "/etc/timezone" in texts else None,
        files=tuple(
            FileFacts(path, digest, mode) for path, (digest, mode) in contents.watched.items()
        ),
    )


def _kernel(contents: KernelContents, status: DpkgStatus) -> KernelFacts:
    texts, version = contents.texts, contents.version
    index = parse_index(
        texts.get("modules.dep", ""),
        texts.get("modules.builtin", ""),
        texts.get("modules.softdep", ""),
    )
    path = index.paths.get(DRIVER, "")
    if DRIVER in index.builtin:
        place = DriverLocation.BUILTIN
    elif path or contents.gpu_file:
        place = DriverLocation.MODULE
    else:
        place = DriverLocation.MISSING
    owner = next(
        (
            package
            for prefix in ("linux-image-", "linux-image-unsigned-")
            if (package := status.installed(prefix + version)) is not None
        ),
        None,
    )
    copy = contents.initramfs_copy
    config = kernel_config(texts.get("config", ""))
    return KernelFacts(
        version=version,
        image=contents.image,
        package=owner.name if owner else "",
        package_version=owner.version if owner else "",
        gpu=place,
        gpu_path=path or contents.gpu_file.removeprefix(f"/lib/modules/{version}/"),
        needs=index.closure([DRIVER]),
        disk_needs=index.closure(DISK_DRIVERS),
        screen_lacks=tuple(
            name for name in SCREEN_OPTIONS if config and config.get(name, "n") == "n"
        ),
        keyboard_lacks=tuple(
            name
            for name in KEYBOARD_DRIVERS
            if index.paths and name not in index.paths and name not in index.builtin
        ),
        drm=config.get("CONFIG_DRM", "n" if config else "y") != "n",
        initramfs=(
            read_initramfs(copy, contents.initramfs_path, version) if copy is not None else None
        ),
    )


def _without_driver(kernel: KernelFacts) -> KernelFacts:
    """A kernel on a machine whose screen works by itself, and whose keyboard isn't on USB."""
    lacking = tuple(name for name in kernel.screen_lacks if name.startswith("CONFIG_VT"))
    return replace(kernel, screen_lacks=lacking, keyboard_lacks=())


def _grub(contents: GuestContents) -> GrubFacts | None:
    if not contents.menu or contents.loader is not BootLoader.GRUB:
        return None  # what another loader doesn't read is a leftover
    names = tuple(name for name in contents.names["/etc/default/grub.d"] if name.endswith(".cfg"))
    settings = [contents.texts.get("/etc/default/grub", "")]
    settings += [contents.texts.get(f"/etc/default/grub.d/{name}", "") for name in names]
    menu = contents.texts[contents.menu]
    path = grub.environment_path(contents.menu)
    block = contents.texts.get(path, "") if "load_env" in grub.commands(menu) else ""
    environment, assigned = grub.environment(block), grub.assignments(menu)
    entries = grub.entries(menu, environment)
    first = grub_default.started(menu, environment)
    used = grub.used_variables(
        [word for entry in (*entries, *contents.entries) for word in entry.words],
        grub.with_environment(assigned, environment),
    )
    return GrubFacts(
        config=contents.menu,
        entries=entries,
        repairs=first.title if first is not None and first.rescue else "",
        variables=tuple(sorted(used)),
        variable_words=tuple(
            word for name, words in assigned.items() if name in used for word in words
        ),
        environment=path if block else "",
        environment_words=tuple(
            word for name, words in environment.items() if name in used for word in words
        ),
        settings_words=grub.assignments(settings[0]).get("GRUB_CMDLINE_LINUX"),
        drop_ins=names,
        drop_in_text=next(
            (
                contents.texts.get(f"/etc/default/grub.d/{name}", "")
                for name in reversed(names)
                if "kollarm" in name
            ),
            "",
        ),
        force_partuuid=any(
            line.split("=", 1)[-1].strip("'\" ")
            for text in settings
            for line in text.splitlines()
            if line.strip().startswith("GRUB_FORCE_PARTUUID=")
        ),
    )


def _modules_load(texts: Mapping[str, str]) -> tuple[str, ...]:
    found: list[str] = []
    for path, text in sorted(texts.items()):
        # systemd reads no other files of the folder (modules-load.d(5)).
        inside = path.startswith("/etc/modules-load.d/") and path.endswith(".conf")
        if path == "/etc/modules" or inside:
            found += [module_name(word) for word in word_lines(text)]
    return tuple(dict.fromkeys(found))


def tools_in_use(present: tuple[str, ...], kernels: tuple[KernelFacts, ...]) -> InitramfsKind:
    """Which tools make the initramfs of later kernels.

    :param present: paths of programs that are there.
    """
    made = {kernel.initramfs.kind for kernel in kernels if kernel.initramfs is not None}
    both = {"/usr/bin/dracut", "/usr/sbin/update-initramfs"} <= set(present)
    # Where both are there, the one that has made the present files is in use: Ubuntu 26.04 has both
    # and uses dracut, a Debian with dracut-core alone doesn't.
    if both and len(made - {InitramfsKind.UNKNOWN}) == 1:
        return min(made - {InitramfsKind.UNKNOWN})
    if "/usr/bin/dracut" in present:
        return InitramfsKind.DRACUT
    if "/usr/sbin/update-initramfs" in present:
        return InitramfsKind.INITRAMFS_TOOLS
    return InitramfsKind.UNKNOWN


def _names_machine(text: str) -> bool:
    """Whether a file of machine-id(5) names a machine."""
    return text.strip() not in ("", "uninitialized")


def _leftovers(contents: GuestContents) -> Leftovers:
    names = contents.names
    present = names.get("present", ())
    named = [path for path in MACHINE_IDS if _names_machine(contents.texts.get(path, ""))]
    return Leftovers(
        machine_id=bool(named),
        machine_id_copies=()
        if contents.machine_id_linked
        else tuple(path for path in named if path != MACHINE_IDS[0]),
        host_keys=tuple(
            f"/etc/ssh/{name}" for name in names.get("/etc/ssh", ()) if name.startswith("ssh_host_")
        ),
        cloud_init=tuple(
            [path for path in present if path.startswith("/var/lib/cloud/")]
            + [f"{folder}/{name}" for folder in CLOUD_INIT_STATE for name in names.get(folder, ())]
        ),
        secrets=tuple(path for path in present if path in SECRETS),
        apt_lists=tuple(
            f"/var/lib/apt/lists/{name}"
            for name in names.get("/var/lib/apt/lists", ())
            if name not in ("lock", "partial", "auxfiles")
        ),
    )
