"""Carrying out the steps that put packages in, and a kernel's with them out."""

from __future__ import annotations

import contextlib
from pathlib import Path

from core import progress
from guestprep.appliance import GuestCallError
from guestprep.apply.depmod import INPUTS, depmod
from guestprep.apply.module_stubs import INDEX_TEXTS, stubs
from guestprep.apply.packages import InstalledFiles, extended_states, put_in
from guestprep.apply.remove import listed_paths, made_paths, record_paths, without
from guestprep.apply.work import ModuleTree, Work
from guestprep.archive import ArchiveClient, open_deb
from guestprep.parse.text import decode, encode
from guestprep.plan import InstallStep, ReplaceStep
from guestprep.target import DEBIAN_ARCHITECTURE

_STATUS = "/var/lib/dpkg/status"
_INFO = "/var/lib/dpkg/info"
_STATES = "/var/lib/apt/extended_states"
_TRIGGERS = "/var/lib/dpkg/triggers"


def install(work: Work, step: InstallStep, client: ArchiveClient) -> None:
    debs = []
    for package in step.packages:
        with progress.current().step(f"fetch {package.name}"):
            debs.append((package, open_deb(client.fetch(package))))
    unpacked = work.folder / "packages"
    done = put_in(debs, work.new, unpacked)
    if isinstance(step, ReplaceStep):
        _take_out(work, step)
    _register(work, step, done)
    versions = {path.split("/modules/", 1)[1].split("/", 1)[0] for path in done.modules}
    for version in sorted(versions):
        _index_modules(work, version, done)


def _register(work: Work, step: InstallStep, done: InstalledFiles) -> None:
    """dpkg's status, apt's list of automatic installations, and the triggers listened to."""
    texts = work.seen.evidence.texts
    standing = decode(work.texts.get(_STATUS, encode(texts[_STATUS])))
    status = standing.rstrip("\n") + "\n\n" + "\n".join(done.stanzas) + "\n"
    work.texts[_STATUS] = encode(status)
    automatic = [name for name in done.names if name not in step.manual]
    if automatic:
        before = decode(_content(work, _STATES))
        _change(work, _STATES, encode(extended_states(before, automatic, DEBIAN_ARCHITECTURE)))
    for trigger, listener in done.interests:
        path = f"{_TRIGGERS}/{'File' if trigger.startswith('/') else trigger}"
        line = f"{trigger} {listener}\n" if trigger.startswith("/") else f"{listener}\n"
        _change(work, path, _content(work, path) + line.encode())
    work.packages = (*work.packages, *done.names)


def _content(work: Work, path: str) -> bytes:
    """A file's content with the changes so far; empty where there is none."""
    for changed in (work.texts, work.fresh):
        if path in changed:
            return changed[path]
    try:
        return work.appliance.read(path)
    except GuestCallError:
        return b""


def _change(work: Work, path: str, content: bytes) -> None:
    """Give a file new content: in place where the guest has it, else as a new file."""
    there = path in work.texts or (path not in work.fresh and work.appliance.is_file(path))
    (work.texts if there else work.fresh)[path] = content


def _take_out(work: Work, step: ReplaceStep) -> None:
    """Remove what the plan removes with the old kernel, and point its links to the new one."""
    texts = work.seen.evidence.texts
    if step.remove:
        names = work.appliance.list_directory(_INFO)
        for package in step.remove:
            listed = work.appliance.read(f"{_INFO}/{package}.list").decode("utf-8", "replace")
            work.unlink += listed_paths(listed, step.old)
            work.unlink += record_paths(package, names)
            work.remove += made_paths(package, step.old)
        work.texts[_STATUS] = encode(without(texts[_STATUS], step.remove))
    for link in ("/vmlinuz", "/initrd.img", "/boot/vmlinuz", "/boot/initrd.img"):
        if work.appliance.is_link(link):
            target = str(work.appliance.call("readlink", link))
            if target.endswith(f"-{step.old}"):
                work.new.add_link(link, target.removesuffix(step.old) + step.kernel)


def _index_modules(work: Work, version: str, done: InstalledFiles) -> None:
    """Make a kernel's indices anew over the guest's modules and the new ones."""
    base = work.folder / f"modules-{version}"
    folder = base / "lib" / "modules" / version
    folder.mkdir(parents=True)
    if version in work.seen.evidence.names["/lib/modules"]:
        _stand_in(work, version, folder)
    new = set()
    for path, local in done.modules.items():
        _, _, inside = path.partition(f"/lib/modules/{version}/")
        if inside:
            target = folder / inside
            target.parent.mkdir(parents=True, exist_ok=True)
            local.replace(target)
            new.add(inside)
    for name, content in depmod(base, version).items():
        work.new.add(f"/lib/modules/{version}/{name}", content)
    work.stages[version] = ModuleTree(folder, frozenset(new))


def _stand_in(work: Work, version: str, folder: Path) -> None:
    """What depmod has to know of the modules that the guest has already."""
    found = {}
    for name in (*INDEX_TEXTS, *INPUTS):
        with contextlib.suppress(GuestCallError):
            found[name] = work.appliance.read(f"/lib/modules/{version}/{name}")
    made = stubs({name: decode(text) for name, text in found.items()})
    for parent in {(folder / path).parent for path in made}:
        parent.mkdir(parents=True, exist_ok=True)
    for path, content in made.items():
        (folder / path).write_bytes(content)
    for name in INPUTS:
        if name in found:
            (folder / name).write_bytes(found[name])
