"""Whole synthetic guest disks of about 100 MiB, made without mounting anything."""

from __future__ import annotations

import stat
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from core.cache import file_digest
from guestprep.parse.compression import Compression, compress
from guestprep.parse.cpio import Member, write_archive
from tests.support import synthetic

VERSION = "4.15.0-99-generic"
MIB = 1 << 20

#: UUIDs of the file systems of /boot and /var, where they are separate.
BOOT_UUID = "b0070000-1111-4222-8333-444444444444"
VAR_UUID = "fa700000-1111-4222-8333-444444444444"

#: A menu of GRUB, to be formatted with a kernel's version and words.
MENU = """\
set timeout=0
menuentry 'Ubuntu' --class ubuntu {{
\tlinux\t/boot/vmlinuz-{version} root=LABEL=cloudimg-rootfs ro  {words} $vt_handoff
\tinitrd\t/boot/initrd.img-{version}
}}
submenu 'Advanced options for Ubuntu' {{
\tmenuentry 'Ubuntu, with Linux {version} (recovery mode)' {{
\t\tlinux\t/boot/vmlinuz-{version} root=LABEL=cloudimg-rootfs ro recovery nomodeset
\t\tinitrd\t/boot/initrd.img-{version}
\t}}
}}
"""

_STATUS = """\
Package: bash
Status: install ok installed
Architecture: arm64
Version: 4.4.18-2ubuntu1
Description: a shell

Package: linux-image-{version}
Status: install ok installed
Architecture: arm64
Version: 4.15.0-99.100
Description: a kernel

Package: linux-modules-{version}
Status: install ok installed
Architecture: arm64
Version: 4.15.0-99.100
Description: its modules
"""


@dataclass
class Recipe:
    """What a disk shall be like; change what the test is about."""

    version: str = VERSION
    words: str = "console=tty1 console=ttyS0 nomodeset"
    program: bytes = synthetic.ARM64_PROGRAM
    os_release: str = 'ID=ubuntu\nVERSION_ID="18.04"\nVERSION_CODENAME=bionic\nNAME="Ubuntu"\n'
    esp: bool = True
    esp_mounted: bool = True
    loader: bool = True
    boot_sector: bytes = b""
    """What a BIOS starts."""
    root_label: str = "cloudimg-rootfs"
    root_mib: int = 64
    filesystem: str = "ext4"
    root_last: bool = False
    graphics: bool = False
    usr_merged: bool = False
    dracut: bool = False
    """Whether dracut has made its initramfs."""
    compressions: tuple[Compression, ...] = (Compression.GZIP,)
    separate_boot: bool = False
    boot_source: str = ""
    """What fstab names /boot's file system by, which then has no label; empty: not at all."""
    separate_var: bool = False
    config: str = (
        "CONFIG_DRM=m\nCONFIG_DRM_FBDEV_EMULATION=y\nCONFIG_FRAMEBUFFER_CONSOLE=y\n"
        "CONFIG_VT=y\nCONFIG_VT_CONSOLE=y\n"
    )
    esp_files: Mapping[str, bytes] = field(default_factory=dict)
    """Further files of the ESP, by path."""
    status: str = _STATUS
    extra: Mapping[str, bytes | str] = field(default_factory=dict)
    sparse: Mapping[str, int] = field(default_factory=dict)
    """Size by path of files of nothing but zeros, which take no room."""
    initramfs_tail: bytes = b""
    """A further segment of the initramfs."""
    index_tail: str = ""
    """Further lines of modules.dep."""
    further_kernels: tuple[str, ...] = ()
    """Versions of kernels among the extra files, whose modules are indexed."""


def initramfs(recipe: Recipe) -> bytes:
    """An initramfs, one archive for each compression."""
    folder = f"lib/modules/{recipe.version}"
    modules = {
        path: content for path, content in synthetic.BASIC.items() if not path.endswith("other.ko")
    }
    dep = "".join(f"{path}:\n" for path in modules)
    made_by: dict[str, bytes] = (
        {"usr/lib/dracut-lib.sh": b"# functions\n"}
        if recipe.dracut
        else {"scripts/functions": b"# functions\n", "conf/modules": b"# loaded first\n"}
    )
    files: dict[str, bytes] = {
        **made_by,
        f"{folder}/modules.dep": dep.encode(),
        **{f"{folder}/{path}": content for path, content in modules.items()},
    }
    members = []
    if recipe.usr_merged:
        members.append(Member("lib", stat.S_IFLNK | 0o777, 7, b"usr/lib"))
        files = {name.replace("lib/mod", "usr/lib/mod", 1): data for name, data in files.items()}
    folders = sorted({str(parent) for name in files for parent in Path(name).parents} - {"."})
    members += [Member(name, stat.S_IFDIR | 0o755, 0) for name in folders]
    members += [Member(n, stat.S_IFREG | 0o644, len(d), d) for n, d in files.items()]
    parts = []
    for number, compression in enumerate(recipe.compressions):
        last = number == len(recipe.compressions) - 1
        early = [Member("early", stat.S_IFREG | 0o644, 5, b"early")]
        data = compress(write_archive(members if last else early), compression)
        parts.append(data if last else data + bytes(-len(data) % 4))
    whole = b"".join(parts)
    if recipe.initramfs_tail:
        whole += bytes(-len(whole) % 4) + recipe.initramfs_tail
    return whole


def make(path: Path, work: Path, recipe: Recipe | None = None) -> Path:
    """A qcow2 image of a whole disk."""
    recipe = recipe or Recipe()
    version = recipe.version
    tree, boot_tree = work / "root", work / "boot"
    lib = "usr/lib" if recipe.usr_merged else "lib"
    modules = f"{lib}/modules/{version}"
    boot: dict[str, bytes | str] = {
        f"vmlinuz-{version}": b"a kernel",
        f"config-{version}": recipe.config,
        f"initrd.img-{version}": initramfs(recipe),
        "grub/grub.cfg": MENU.format(version=version, words=recipe.words),
    }
    files: dict[str, bytes | str] = {
        "etc/os-release": recipe.os_release,
        "etc/fstab": (
            "LABEL=cloudimg-rootfs / ext4 defaults 0 0\n"
            + f"{recipe.boot_source} /boot ext4 defaults 0 1\n" * bool(recipe.boot_source)
            + f"UUID={VAR_UUID.upper()} /var ext4 defaults 0 1\n" * recipe.separate_var
            + "LABEL=UEFI /boot/efi vfat defaults 0 0\n" * recipe.esp_mounted
        ),
        "etc/machine-id": "",
        "etc/default/grub": 'GRUB_CMDLINE_LINUX_DEFAULT="quiet"\n',
        "etc/default/grub.d/50-cloudimg-settings.cfg": (
            'GRUB_CMDLINE_LINUX_DEFAULT="console=tty1 console=ttyS0"\n'
        ),
        "etc/modules": "# none\n",
        "usr/bin/ls": recipe.program,
        "usr/bin/cloud-init": "#!/usr/bin/python3\n",
        "usr/sbin/update-initramfs": "#!/bin/sh\n",
        "etc/initramfs-tools/hooks/.keep": "",
        "etc/modules-load.d/.keep": "",
        "var/lib/dpkg/status": recipe.status.format(version=version),
        "var/lib/dpkg/info/format": "1\n",
        "boot/efi/.keep": "",
        f"{modules}/modules.builtin": "kernel/fs/ext4.ko\n",
        f"{modules}/modules.order": "",
    }
    if recipe.usr_merged:
        files["lib"] = "-> usr/lib"
    contents: dict[str, bytes] = synthetic.BASIC | (synthetic.GRAPHICS if recipe.graphics else {})
    files |= {f"{modules}/{name}": data for name, data in contents.items()}
    if recipe.separate_boot:
        synthetic.write_tree(boot_tree, boot)
    else:
        files |= {f"boot/{name}": data for name, data in boot.items()}
    files |= dict(recipe.extra)
    if recipe.separate_var:
        var = {name: files.pop(name) for name in list(files) if name.startswith("var/")}
        synthetic.write_tree(work / "var", {name[4:]: data for name, data in var.items()})
        files["var/.keep"] = ""
    synthetic.write_tree(tree, files)
    for kernel in (version, *recipe.further_kernels):
        synthetic.index_modules(tree, kernel)
    with (tree / modules / "modules.dep").open("a") as dep:
        dep.write(recipe.index_tail)
    for name, size in recipe.sparse.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        with (tree / name).open("wb") as zeros:
            zeros.truncate(size)
    return _assemble(path, work, recipe)


def _assemble(path: Path, work: Path, recipe: Recipe) -> Path:
    """Partitions as clouds have them: the root is number 1, the ESP and /boot have high ones.

    In MiB: the ESP has 34, /boot and /var 12; the root is the first on the disk, or the last.
    """
    raw = work / "disk.raw"
    root_at = 47 if recipe.root_last else 1
    esp_at = 1 if recipe.root_last else 1 + recipe.root_mib
    boot_at = esp_at + 34
    total = recipe.root_mib + 62
    with raw.open("wb") as disk:
        disk.truncate(total * MIB)
    layout = [f"-n1:{root_at}M:+{recipe.root_mib}M", "-t1:8300"]
    layout += [f"-n15:{esp_at}M:+34M", f"-t15:{'ef00' if recipe.esp else '8300'}"]
    if recipe.separate_boot:
        layout += [f"-n16:{boot_at}M:+12M", "-t16:8300", "-c16:boot part"]
    if recipe.separate_var:
        layout += [f"-n17:{boot_at + 12}M:+12M", "-t17:8300"]
    _run("sgdisk", *layout, raw)
    _make_root(raw, work, recipe, root_at)
    esp = work / "esp.img"
    with esp.open("wb") as image:
        image.truncate(34 * MIB)
    _run("mkfs.vfat", "-F", "32", "-n", "UEFI" if recipe.esp else "DATA", esp)
    if recipe.loader:
        (work / "loader").write_bytes(b"MZ")
        _run("mmd", "-i", esp, "::EFI", "::EFI/BOOT")
        _run("mcopy", "-i", esp, work / "loader", "::EFI/BOOT/BOOTAA64.EFI")
    for name, data in recipe.esp_files.items():
        for parent in reversed(Path(name).parents[:-1]):
            # It fails for a folder that is there already.
            _run("mmd", "-D", "s", "-i", esp, f"::{parent}", check=False)
        (work / "esp-file").write_bytes(data)
        _run("mcopy", "-o", "-i", esp, work / "esp-file", f"::{name}")
    _run("dd", f"if={esp}", f"of={raw}", "bs=1M", f"seek={esp_at}", "conv=notrunc,sparse")
    if recipe.separate_boot:
        label = "" if recipe.boot_source else "BOOT"
        _small_ext4(raw, work / "boot", boot_at, "-L", label, "-U", BOOT_UUID)
    if recipe.separate_var:
        _small_ext4(raw, work / "var", boot_at + 12, "-U", VAR_UUID)
    with raw.open("r+b") as disk:
        disk.write(recipe.boot_sector)
    _run("qemu-img", "convert", "-O", "qcow2", "-c", raw, path)
    raw.unlink()
    return path


def _small_ext4(raw: Path, tree: Path, at: int, *options: str) -> None:
    """A file system of 12 MiB, *at* so many MiB of the disk."""
    place = f"offset={at * MIB},root_owner=0:0"
    _run("mke2fs", "-q", "-t", "ext4", *options, "-d", tree, "-E", place, raw, "12M")


def _make_root(raw: Path, work: Path, recipe: Recipe, at: int) -> None:
    """The root's file system, *at* so many MiB of the disk."""
    tree, label = work / "root", recipe.root_label
    if recipe.filesystem == "ext4":
        place = f"offset={at * MIB},root_owner=0:0"
        size = f"{recipe.root_mib}M"
        _run("mke2fs", "-q", "-t", "ext4", "-L", label, "-d", tree, "-E", place, raw, size)
        return
    part = work / "root.img"
    with part.open("wb") as image:
        image.truncate(recipe.root_mib * MIB)
    if recipe.filesystem == "btrfs":
        _run("mkfs.btrfs", "-q", "-L", label, "--rootdir", tree, part)
    else:
        prototype = work / "root.proto"
        prototype.write_text("/dev/null\n0 0\n" + "\n".join(_prototype(tree, "")) + "\n")
        _run("mkfs.xfs", "-q", "-L", label[:12], "-p", prototype, part)
    _run("dd", f"if={part}", f"of={raw}", "bs=1M", f"seek={at}", "conv=notrunc,sparse")
    part.unlink()


def _prototype(path: Path, name: str) -> list[str]:
    """What mkfs.xfs(8) calls a protofile: a tree, one line for each thing in it."""
    head = f"{name} " if name else ""
    if path.is_symlink():
        return [f"{head}l--777 0 0 {path.readlink()}"]
    if not path.is_dir():
        return [f"{head}---{path.stat().st_mode & 0o777:o} 0 0 {path}"]
    inside = [line for below in sorted(path.iterdir()) for line in _prototype(below, below.name)]
    return [f"{head}d--755 0 0", *inside, "$"]


def _run(*words: str | Path, check: bool = True) -> None:
    subprocess.run([str(word) for word in words], check=check, capture_output=True)


def archive(folder: Path, version: str = VERSION) -> synthetic.SignedArchive:
    """A signed archive with the extra package of the kernel, and the meta package that needs it."""
    made = synthetic.signed_archive(folder)
    extra = f"linux-modules-extra-{version}"
    synthetic.deb(
        folder / "pool" / "extra.deb",
        {
            "Package": extra,
            "Version": "4.15.0-99.100",
            "Architecture": "arm64",
            "Maintainer": "Synthetic <synthetic@example.org>",
            "Depends": f"linux-modules-{version}",
            "Description": "the modules left out",
        },
        {f"lib/modules/{version}/{name}": data for name, data in synthetic.GRAPHICS.items()},
        {"postinst": "#!/bin/sh\ndepmod -a\n"},
    )
    synthetic.deb(
        folder / "pool" / "notes.deb",
        {
            "Package": "linux-modules-notes",
            "Version": "1",
            "Architecture": "all",
            "Maintainer": "Synthetic <synthetic@example.org>",
            "Description": "a package that nothing needs",
        },
        {"usr/share/doc/linux-modules-notes/notes": b"none\n"},
    )
    synthetic.deb(
        folder / "pool" / "meta.deb",
        {
            "Package": "linux-image-extra-virtual",
            "Version": "4.15.0.99.101",
            "Architecture": "arm64",
            "Maintainer": "Synthetic <synthetic@example.org>",
            "Depends": f"{extra}, linux-image-{version}",
            "Description": "extra modules for every kernel",
        },
        {"usr/share/doc/linux-image-extra-virtual/copyright": b"none\n"},
    )
    made.sign()
    return made


def project(folder: Path) -> Path:
    """A project with a guest to prepare; where the prepared image will be."""
    disk = make(folder / "source.qcow2", folder / "work")
    packages = archive(folder / "archive")
    described = {
        "uri": f"file:{packages.folder}",
        "suite": packages.suite,
        "keyring": str(packages.keyring),
    }
    guest = {
        "name": "g",
        "source": {"path": str(disk), "sha256": file_digest(disk)},
        "archives": [described],
    }
    (folder / "kollarm.yml").write_text(yaml.safe_dump({"guests": [guest]}), "utf-8")
    return folder / ".kollarm/guests/g.qcow2"
