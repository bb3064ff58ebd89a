"""Carrying out the steps that extend an initramfs or create one for a new kernel."""

from __future__ import annotations

from collections.abc import Mapping

from core.errors import KollarmError
from guestprep import limits
from guestprep.apply.depmod import INPUTS
from guestprep.apply.initramfs_segment import build_segment
from guestprep.apply.module_tree import ModuleTree
from guestprep.apply.new_initramfs import derive_initramfs
from guestprep.apply.pending import AppendedData, PendingChanges
from guestprep.facts import InitramfsKind, Role
from guestprep.parse.modules import ModuleIndex, module_name, parse_index
from guestprep.parse.text import encode
from guestprep.plan.model import InitramfsStep
from guestprep.target import DISK_DRIVERS, DRIVER


def append_driver(pending: PendingChanges, step: InitramfsStep) -> None:
    """Append a segment with the driver, and what it needs, to a kernel's initramfs."""
    facts, contents = pending.kernel(step.kernel)
    assert contents.initramfs_copy is not None and facts.initramfs is not None
    tree = pending.module_trees.get(step.kernel)
    index = _module_index(contents.texts, tree)
    _require_driver(index, step.kernel)

    def read(path: str) -> bytes:
        if tree is not None and path in tree.new:
            return tree.file(path).read_bytes()
        local = pending.folder / "module"
        inside = f"/lib/modules/{step.kernel}/{path}"
        pending.appliance.download(inside, local, at_most=limits.MODULE)
        return local.read_bytes()

    folder = pending.new_folder("initramfs")
    segment = build_segment(
        contents.initramfs_copy,
        step.kernel,
        kind=facts.initramfs.kind,
        wanted=index.closure([DRIVER, *DISK_DRIVERS]),
        read_module=read,
        inputs={name: encode(contents.texts[name]) for name in INPUTS if name in contents.texts},
        load=[DRIVER] if facts.initramfs.kind is not InitramfsKind.UNKNOWN else [],
        work=folder,
    )
    local = folder / "segment"
    local.write_bytes(segment.data)
    pending.appends.append(AppendedData(step.path, local, segment.offset))
    pending.modules[step.path] = segment.modules


def create_initramfs(pending: PendingChanges, step: InitramfsStep) -> None:
    """Create a new kernel's initramfs from the old one's."""
    old = next(
        kernel
        for kernel in pending.inspection.facts.kernels
        if kernel.initramfs is not None and kernel.initramfs.path == step.based_on
    )
    _, contents = pending.kernel(old.version)
    assert contents.initramfs_copy is not None and old.initramfs is not None
    tree = pending.module_trees[step.kernel]
    index = _module_index({}, tree)
    _require_driver(index, step.kernel)
    root = pending.inspection.facts.partition(Role.ROOT)
    # What the old kernel has built in, such as the root's file system, may be modules now.
    builtin = _module_index(contents.texts, None).builtin
    needed = [DRIVER, *DISK_DRIVERS, root.type if root is not None else "ext4"]
    wanted = index.closure([*old.initramfs.modules, *builtin, *needed])
    folder = pending.new_folder("initramfs")
    initramfs = derive_initramfs(
        contents.initramfs_copy,
        kind=old.initramfs.kind,
        old=old.version,
        new=step.kernel,
        wanted=wanted,
        tree=tree,
        load=[DRIVER],
        work=folder,
    )
    pending.new.add_file(step.path, initramfs, 0o600)
    pending.modules[step.path] = tuple(sorted(module_name(path) for path in wanted))


def _module_index(texts: Mapping[str, str], tree: ModuleTree | None) -> ModuleIndex:
    """A kernel's modules as they will be: by the new indices where there are some."""

    def text(name: str) -> str:
        if tree is not None and name in tree:
            return tree.text(name)
        return texts.get(name, "")

    return parse_index(text("modules.dep"), text("modules.builtin"), text("modules.softdep"))


def _require_driver(index: ModuleIndex, kernel: str) -> None:
    if DRIVER not in index.paths and DRIVER not in index.builtin:
        raise KollarmError(
            f"the packages bring no {DRIVER} for kernel {kernel}",
            hint="check that the guest's `archives` are those of its distribution and release",
        )
