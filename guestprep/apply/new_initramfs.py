"""An initramfs for another kernel, made from one that the guest's own tools have made.

Everything but the modules depends on the guest's programs, not on the kernel: it is taken over
byte by byte, and the modules are exchanged.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from core.errors import UnusableInput
from guestprep.apply.depmod import INPUTS
from guestprep.apply.initramfs_segment import load_list, overlay_archive
from guestprep.apply.module_tree import ModuleTree
from guestprep.facts import InitramfsKind
from guestprep.inspect.initramfs import LOAD_LIST, module_folder
from guestprep.parse.compression import UnreadableStream, compress_file
from guestprep.parse.cpio import DamagedArchive, Member, copy_entries
from guestprep.parse.initramfs import InitramfsReader


def derive_initramfs(
    copy: Path,
    *,
    kind: InitramfsKind,
    old: str,
    new: str,
    wanted: Sequence[str],
    tree: ModuleTree,
    load: Sequence[str],
    work: Path,
) -> Path:
    """The new initramfs as a local file.

    :param copy: a local copy of the old one.
    :param old, new: the kernels' versions.
    :param wanted: paths of module files, relative to the new kernel's folder of modules.
    :param tree: the new kernel's modules and indices.
    :param load: names of modules to have loaded.
    :param work: an empty local folder.
    """
    reader = InitramfsReader(copy)
    members = {member.name: member for member in reader.members(lambda name: name == LOAD_LIST)}
    plain = work / "plain"
    try:
        with plain.open("wb") as out:
            for source in reader.archives():
                copy_entries(source, out, lambda name: f"lib/modules/{old}" in name)
            out.write(_addition(kind, new, wanted, tree, load, members, work))
    except (DamagedArchive, UnreadableStream) as error:
        raise UnusableInput(f"the initramfs of kernel {old} can't be read: {error}") from error
    result = work / "result"
    compress_file(plain, result, reader.segments[-1].compression)
    plain.unlink()
    return result


def _addition(
    kind: InitramfsKind,
    version: str,
    wanted: Sequence[str],
    tree: ModuleTree,
    load: Sequence[str],
    members: dict[str, Member],
    work: Path,
) -> bytes:
    """An archive of the new kernel's modules with their indices, and of the load list."""
    chosen = ModuleTree(work / "tree", version)
    paths = [*wanted, *(name for name in INPUTS if name in tree)]
    for path in paths:
        chosen.add(path, tree.file(path))
    folder = module_folder(members, version)
    files = {f"{folder}/{path}": tree.file(path).read_bytes() for path in paths}
    files |= {f"{folder}/{name}": content for name, content in chosen.index().items()}
    files |= load_list(members, kind, load)
    return overlay_archive(files, members)
