"""Facts of an initramfs from a local copy of it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from core.progress import size
from guestprep import limits
from guestprep.facts import InitramfsFacts, InitramfsKind
from guestprep.parse.cpio import Member
from guestprep.parse.elf import elf_architecture
from guestprep.parse.initramfs import InitramfsReader, link_targets, resolve
from guestprep.parse.modules import is_module, module_name, parse_dep
from guestprep.parse.text import decode, word_lines

#: Files by which the builder of an initramfs is recognised; initramfs-tools' own init sources
#: the first.
_MARKS = {
    "scripts/functions": InitramfsKind.INITRAMFS_TOOLS,
    "usr/lib/dracut-lib.sh": InitramfsKind.DRACUT,
    "lib/dracut-lib.sh": InitramfsKind.DRACUT,
    "usr/lib/initrd-release": InitramfsKind.DRACUT,
    "etc/initrd-release": InitramfsKind.DRACUT,
}

#: What initramfs-tools' init loads before anything else.
LOAD_LIST = "conf/modules"

#: The folder of files with words that dracut's scripts take for the kernel's command line
#: (dracut.cmdline(7)), and those with modules that they load.
CMDLINE = "etc/cmdline.d/"
LOAD_WORDS = ("rd.driver.pre=", "rd.driver.post=")

#: What loads the modules that modules-load.d names; dracut doesn't always take it along.
_LOAD_SERVICE = "lib/systemd/systemd-modules-load"

#: Programs without which no start gets far, by their names.
_PROGRAMS = frozenset(("busybox", "kmod", "modprobe", "sh", "dash", "systemd", "udevadm"))


def wanted(name: str) -> bool:
    """Whether a member's content is needed."""
    return (
        name == LOAD_LIST
        or name.endswith("/modules.dep")
        or "modules-load.d/" in name
        or name.startswith(CMDLINE)
        or _is_program(name)
    )


def _is_program(name: str) -> bool:
    folder, _, file = name.rpartition("/")
    return file in _PROGRAMS and folder.endswith(("bin", "lib/systemd"))


def read_initramfs(copy: Path, path: str, version: str) -> InitramfsFacts:
    """What an initramfs has for a version of a kernel.

    :param path: its name in the guest.
    """
    reader = InitramfsReader(copy)
    members: dict[str, Member] = {}
    programs: dict[str, str] = {}
    fault, kept = None, 0
    for member in reader.members(wanted, limits.KEPT):
        members[member.name] = member
        if member.data is not None and _is_program(member.name):
            programs[member.name] = elf_architecture(member.data[:64])
            members[member.name] = dataclasses.replace(member, data=None)
        elif member.data is not None:
            kept += len(member.data)
            if kept > limits.KEPT:
                fault = f"its lists and indices have more than {size(limits.KEPT)}"
                break
    folder = module_folder(members, version)
    inside = {name for name in members if name.startswith(f"{folder}/") and is_module(name)}
    index = members.get(f"{folder}/modules.dep")
    kind = next((kind for mark, kind in _MARKS.items() if mark in members), InitramfsKind.UNKNOWN)
    return InitramfsFacts(
        path=path,
        size=copy.stat().st_size,
        kind=kind,
        segments=tuple(segment.compression.value for segment in reader.segments),
        modules=tuple(sorted({module_name(name) for name in inside})),
        loads=_loads(members),
        indexed=tuple(
            sorted(module_name(path) for path in parse_dep(decode(index.data)))
            if index is not None and index.data is not None
            else ()
        ),
        programs=tuple(sorted(set(programs.values()) - {""})),
        fault=fault or reader.fault,
    )


def module_folder(members: dict[str, Member], version: str) -> str:
    """Where a kernel's modules are in an initramfs: ``lib`` may be a link to ``usr/lib``."""
    return resolve(f"lib/modules/{version}/x", link_targets(members)).removesuffix("/x")


def _loads(members: dict[str, Member]) -> tuple[str, ...]:
    names: list[str] = []
    by_systemd = any(name.endswith(_LOAD_SERVICE) for name in members)
    for name, member in sorted(members.items()):
        if member.data is None:
            continue
        text = decode(member.data)
        if name == LOAD_LIST or (by_systemd and "modules-load.d/" in name):
            names += word_lines(text)
        elif name.startswith(CMDLINE) and name.endswith(".conf"):
            for word in text.split():
                if word.startswith(LOAD_WORDS):
                    names += word.partition("=")[2].split(",")
    return tuple(dict.fromkeys(map(module_name, names)))
