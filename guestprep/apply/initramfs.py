"""Carrying out the steps that change or make an initramfs."""

from __future__ import annotations

from guestprep.apply import new_initramfs
from guestprep.apply.changes import Append
from guestprep.apply.depmod import INPUTS
from guestprep.apply.initramfs_segment import compose
from guestprep.apply.work import Work, index_of, require_driver
from guestprep.facts import InitramfsKind, Role
from guestprep.parse.modules import module_name, parse_index
from guestprep.parse.text import encode
from guestprep.plan import InitramfsStep
from guestprep.target import DRIVER

_TEXTS = ("modules.dep", "modules.builtin", "modules.softdep")


def append(work: Work, step: InitramfsStep) -> None:
    facts, found = work.kernel(step.kernel)
    assert found.initramfs_copy is not None and facts.initramfs is not None
    stage = work.stages.get(step.kernel)
    index = index_of(found, stage)
    require_driver(index, step.kernel)
    needs = index.closure([DRIVER])

    def read(path: str) -> bytes:
        if stage is not None and path in stage.new:
            return (stage.folder / path).read_bytes()
        local = work.folder / "module"
        work.appliance.download(f"/lib/modules/{step.kernel}/{path}", local)
        return local.read_bytes()

    folder = work.folder / f"initramfs-{step.kernel}"
    folder.mkdir()
    segment = compose(
        found.initramfs_copy,
        step.kernel,
        facts.initramfs.kind,
        needs,
        read,
        {name: encode(found.texts[name]) for name in INPUTS if name in found.texts},
        [DRIVER] if facts.initramfs.kind is not InitramfsKind.UNKNOWN else [],
        folder,
    )
    local = folder / "segment"
    local.write_bytes(segment.data)
    work.appends.append(Append(step.path, local, segment.offset))
    work.modules[step.path] = segment.modules


def remake(work: Work, step: InitramfsStep) -> None:
    """Make a new kernel's initramfs from the old one's."""
    facts = next(
        entry
        for entry in work.seen.facts.kernels
        if entry.initramfs is not None and entry.initramfs.path == step.based_on
    )
    _, found = work.kernel(facts.version)
    assert found.initramfs_copy is not None and facts.initramfs is not None
    tree = work.stages[step.kernel].folder
    index = parse_index(
        *(
            (tree / name).read_text()
            for name in ("modules.dep", "modules.builtin", "modules.softdep")
        )
    )
    before = index_of(found, None)
    root = work.seen.facts.partition(Role.ROOT)
    needed = [DRIVER, root.type if root is not None else "ext4"]
    wanted = new_initramfs.wanted_modules(index, facts.initramfs.modules, before.builtin, needed)
    require_driver(index, step.kernel)
    folder = work.folder / f"initramfs-{step.kernel}"
    folder.mkdir()
    made = new_initramfs.remake(
        found.initramfs_copy,
        facts.initramfs.kind,
        facts.version,
        step.kernel,
        wanted,
        tree,
        [DRIVER],
        folder,
    )
    work.new.add_file(step.path, made, 0o600)
    work.modules[step.path] = tuple(sorted(module_name(path) for path in wanted))
