"""Appending modules to an initramfs: a further segment that the kernel unpacks over the rest."""

from __future__ import annotations

import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.errors import UnusableInput
from guestprep import limits
from guestprep.apply.depmod import INPUTS
from guestprep.apply.module_tree import ModuleTree
from guestprep.facts import InitramfsKind
from guestprep.inspect.initramfs import CMDLINE, LOAD_LIST, LOAD_WORDS, module_folder
from guestprep.parse.compression import Compression, UnreadableStream, compress, decompress
from guestprep.parse.cpio import Member, write_archive
from guestprep.parse.initramfs import InitramfsReader, link_targets, resolve
from guestprep.parse.modules import is_module, module_name
from guestprep.parse.text import decode, word_lines

#: Where dracut itself has its force_drivers loaded, before udev starts.
_DRACUT_LIST = f"{CMDLINE}99-kollarm.conf"


#: How a module is compressed, by the end of its name.
_SUFFIXES = {"xz": Compression.XZ, "zst": Compression.ZSTD, "gz": Compression.GZIP}


@dataclass(frozen=True)
class NewSegment:
    """A segment to write into an initramfs file."""

    data: bytes
    offset: int
    """Where to write it; what the file has behind that is only padding."""
    modules: tuple[str, ...]
    """Names of the modules in it."""


def build_segment(
    copy: Path,
    version: str,
    *,
    kind: InitramfsKind,
    wanted: Sequence[str],
    read_module: Callable[[str], bytes],
    inputs: dict[str, bytes],
    load: Sequence[str],
    work: Path,
) -> NewSegment:
    """The segment that brings modules with their indices, and has some of them loaded.

    The indices are built again over all the modules that the initramfs then has, so that they
    stay right for those it had before.

    :param copy: a local copy of the initramfs.
    :param wanted: paths of module files, relative to the kernel's folder of modules.
    :param read_module: gives a module file's content by such a path.
    :param inputs: the guest's own modules.order and modules.builtin, for depmod.
    :param load: names of modules to load, in order.
    :param work: an empty local folder.
    """
    reader = InitramfsReader(copy)
    members: dict[str, Member] = {}
    marker = f"lib/modules/{version}/"
    tree = ModuleTree(work / "tree", version)

    def keep(name: str) -> bool:
        inside = name.partition(marker)[2]
        return name == LOAD_LIST or is_module(inside) or inside in INPUTS

    present: set[str] = set()
    for member in reader.members(keep):
        if member.data is not None and marker in member.name and stat.S_ISREG(member.mode):
            inside = member.name.partition(marker)[2]
            if is_module(inside) or inside in INPUTS:
                tree.add(inside, member.data)
                present.add(inside)
                member = Member(member.name, member.mode, member.size)  # noqa: PLW2901 — frees it
        members[member.name] = member
    folder = module_folder(members, version)
    for name, content in inputs.items():
        if name not in present:
            tree.add(name, content)
    new = _new_modules(wanted, present, read_module)
    for path, content in new.items():
        tree.add(path, content)
    files = {f"{folder}/{path}": content for path, content in new.items()}
    files |= {f"{folder}/{name}": content for name, content in tree.index().items()}
    for name in INPUTS:
        if name not in present and name in inputs:
            files[f"{folder}/{name}"] = inputs[name]
    files |= load_list(members, kind, load)
    return _segment(files, members, reader, tuple(module_name(path) for path in new))


def _new_modules(
    wanted: Sequence[str], present: set[str], read_module: Callable[[str], bytes]
) -> dict[str, bytes]:
    """Content by path of the modules that aren't there yet.

    Some initramfs makers store modules uncompressed whatever the guest's tree has; the new ones
    then come like the others, as what loads them may know no compression.
    """
    here = {module_name(path) for path in present if is_module(path)}
    plain = any(path.endswith(".ko") for path in present)
    new = {}
    for path in wanted:
        if module_name(path) in here:
            continue
        content = read_module(path)
        if plain and not path.endswith(".ko"):
            path, content = _uncompressed(path, content)  # noqa: PLW2901
        new[path] = content
    return new


def _uncompressed(path: str, content: bytes) -> tuple[str, bytes]:
    stem, _, suffix = path.rpartition(".")
    try:
        return stem, decompress(content, _SUFFIXES[suffix], at_most=limits.MODULE)
    except UnreadableStream as error:
        raise UnusableInput(f"the image's module {path} can't be read: {error}") from error


def load_list(
    members: dict[str, Member], kind: InitramfsKind, load: Sequence[str]
) -> dict[str, bytes]:
    """The file that has modules loaded, as the initramfs's own builder writes it."""
    if kind is InitramfsKind.INITRAMFS_TOOLS:
        member = members.get(LOAD_LIST)
        text = decode(member.data) if member is not None and member.data is not None else ""
        known = {module_name(word) for word in word_lines(text)}
        lines = [name for name in load if module_name(name) not in known]
        if text and not text.endswith("\n"):
            text += "\n"
        return {LOAD_LIST: (text + "".join(f"{name}\n" for name in lines)).encode(errors="replace")}
    if kind is InitramfsKind.DRACUT:
        return {_DRACUT_LIST: "".join(f"{LOAD_WORDS[0]}{name}\n" for name in load).encode()}
    return {}  # udev loads it when it finds the device


def overlay_archive(files: dict[str, bytes], members: dict[str, Member]) -> bytes:
    """An archive of files over an initramfs with these members.

    A folder entry where a link stands would replace the link: names are resolved first, and
    only new folders get an entry.
    """
    links = link_targets(members)
    placed = {resolve(name, links): content for name, content in files.items()}
    folders = {
        "/".join(parts[:count])
        for parts in (name.split("/") for name in placed)
        for count in range(1, len(parts))
    } - set(members)
    return write_archive(
        [Member(name, stat.S_IFDIR | 0o755, 0) for name in sorted(folders)]
        + [
            Member(name, stat.S_IFREG | 0o644, len(content), content)
            for name, content in sorted(placed.items())
        ]
    )


def _segment(
    files: dict[str, bytes],
    members: dict[str, Member],
    reader: InitramfsReader,
    modules: tuple[str, ...],
) -> NewSegment:
    archive = overlay_archive(files, members)
    last = reader.segments[-1]
    data = compress(archive, last.compression)
    # Only an uncompressed archive needs a place to begin at. The others' own tools, with which the
    # guest's lsinitramfs reads them, go on directly behind, and take zeros for damage; LZ4's
    # format has no end mark, and the kernel takes nothing else there.
    padding = -last.end % 4 if last.compression is Compression.NONE else 0
    return NewSegment(bytes(padding) + data, last.end, modules)
