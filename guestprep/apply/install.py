"""Carrying out the steps that install packages, and those that replace a kernel."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path

from core import progress
from core.config.base import Architecture
from guestprep.appliance import GuestCallError
from guestprep.apply.depmod import INPUTS
from guestprep.apply.kernel_removal import (
    dpkg_record_paths,
    generated_paths,
    package_paths,
    remove_paragraphs,
)
from guestprep.apply.module_stubs import INDEX_TEXTS, stubs
from guestprep.apply.module_tree import ModuleTree
from guestprep.apply.packages import InstalledFiles, add_packages, extended_states
from guestprep.apply.pending import PendingChanges
from guestprep.archive.client import ArchiveClient
from guestprep.archive.deb import open_deb
from guestprep.parse.text import decode, encode
from guestprep.plan.model import InstallStep, ReplaceStep

_STATUS = "/var/lib/dpkg/status"
_INFO = "/var/lib/dpkg/info"
_STATES = "/var/lib/apt/extended_states"
_TRIGGERS = "/var/lib/dpkg/triggers"


def install(pending: PendingChanges, step: InstallStep, client: ArchiveClient) -> None:
    """Add a step's packages, their records and their modules' indices to the changes."""
    debs = []
    for package in step.packages:
        with progress.current().step(f"fetch {package.name}"):
            debs.append((package, open_deb(client.fetch(package))))
    done = add_packages(debs, pending.new, pending.new_folder("packages"))
    if isinstance(step, ReplaceStep):
        _remove_old_kernel(pending, step)
    _register(pending, step, done)
    for version, files in sorted(done.modules.items()):
        _index_modules(pending, version, files)


def _architecture(pending: PendingChanges) -> str:
    """Debian's name for the guest's architecture."""
    return Architecture(pending.inspection.facts.architecture).debian


def _register(pending: PendingChanges, step: InstallStep, done: InstalledFiles) -> None:
    """dpkg's status, apt's list of automatic installations, and the triggers listened to."""
    texts = pending.inspection.contents.texts
    before = decode(pending.texts.get(_STATUS, encode(texts[_STATUS])))
    if done.stanzas:
        before = before.rstrip("\n") + "\n\n" + "\n".join(done.stanzas) + "\n"
    pending.texts[_STATUS] = encode(before)
    automatic = [name for name in done.names if name not in step.manual]
    if automatic:
        states = decode(_content(pending, _STATES))
        changed = extended_states(states, automatic, _architecture(pending))
        _change(pending, _STATES, encode(changed))
    for trigger, listener in done.interests:
        path = f"{_TRIGGERS}/{'File' if trigger.startswith('/') else trigger}"
        line = f"{trigger} {listener}\n" if trigger.startswith("/") else f"{listener}\n"
        _change(pending, path, _content(pending, path) + line.encode())
    pending.packages = (*pending.packages, *done.names)


def _content(pending: PendingChanges, path: str) -> bytes:
    """A file's content with the changes so far; empty where there is none."""
    for changed in (pending.texts, pending.created):
        if path in changed:
            return changed[path]
    try:
        return pending.appliance.read(path)
    except GuestCallError:
        return b""


def _change(pending: PendingChanges, path: str, content: bytes) -> None:
    """Give a file new content: in place where the guest has it, else as a new file."""
    there = path in pending.texts or (
        path not in pending.created and pending.appliance.is_file(path)
    )
    (pending.texts if there else pending.created)[path] = content


def _remove_old_kernel(pending: PendingChanges, step: ReplaceStep) -> None:
    """Remove what the plan removes with the old kernels, and point their links to the new one."""
    texts = pending.inspection.contents.texts
    if step.remove:
        names = pending.appliance.list_directory(_INFO)
        for package in step.remove:
            listed = pending.appliance.read(f"{_INFO}/{package}.list").decode("utf-8", "replace")
            pending.unlink += package_paths(listed, step.replaced)
            pending.unlink += dpkg_record_paths(package, names)
            pending.remove += generated_paths(package, step.replaced)
        status = decode(pending.texts.get(_STATUS, encode(texts[_STATUS])))
        pending.texts[_STATUS] = encode(remove_paragraphs(status, step.remove))
    for link in ("/vmlinuz", "/initrd.img", "/boot/vmlinuz", "/boot/initrd.img"):
        if pending.appliance.is_link(link):
            target = str(pending.appliance.call("readlink", link))
            old = next((old for old in step.replaced if target.endswith(f"-{old}")), None)
            if old is not None:
                pending.new.add_link(link, target.removesuffix(old) + step.kernel)


def _index_modules(pending: PendingChanges, version: str, files: Mapping[str, Path]) -> None:
    """Build a kernel's indices again over the guest's modules and the new ones.

    :param files: local copies of the new ones, by their path in the folder of modules.
    """
    tree = ModuleTree(pending.new_folder("modules"), version)
    if version in pending.inspection.contents.names["/lib/modules"]:
        _add_stubs(pending, version, tree)
    for path, local in files.items():
        tree.add(path, local)
        tree.new.add(path)
    for name, content in tree.index().items():
        pending.new.add(f"/lib/modules/{version}/{name}", content)
    pending.module_trees[version] = tree


def _add_stubs(pending: PendingChanges, version: str, tree: ModuleTree) -> None:
    """Add stubs of the modules that the guest already has, for depmod."""
    inputs = {}
    for name in (*INDEX_TEXTS, *INPUTS):
        with contextlib.suppress(GuestCallError):
            inputs[name] = pending.appliance.read(f"/lib/modules/{version}/{name}")
    files = stubs({name: decode(text) for name, text in inputs.items()})
    files |= {name: inputs[name] for name in INPUTS if name in inputs}
    for path, content in files.items():
        tree.add(path, content)
