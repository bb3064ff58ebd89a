"""Installing packages: their files and dpkg's records, as ``dpkg --install`` leaves them."""

from __future__ import annotations

import hashlib
import shutil
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from guestprep.apply.depmod import INPUTS
from guestprep.apply.new_files import NewFiles
from guestprep.archive.deb import SCRIPTS, Deb
from guestprep.archive.package import ArchivePackage
from guestprep.parse.cpio import clean_name
from guestprep.parse.modules import is_module, module_place
from guestprep.parse.text import decode

_INFO = "/var/lib/dpkg/info"


@dataclass
class InstalledFiles:
    """What installing packages leaves beside their files."""

    stanzas: list[str] = field(default_factory=list)
    """Paragraphs for dpkg's status."""
    modules: dict[str, dict[str, Path]] = field(default_factory=dict)
    """By kernel: local copies of the module files, and of what else depmod reads, by their path
    in the kernel's folder of modules.
    """
    interests: list[tuple[str, str]] = field(default_factory=list)
    """Triggers that the packages listen to: (trigger, package)."""
    names: list[str] = field(default_factory=list)


def add_packages(
    debs: Sequence[tuple[ArchivePackage, Deb]], into: NewFiles, work: Path
) -> InstalledFiles:
    """Add packages' files and dpkg's records of them to the new files.

    None of their scripts is run: :func:`~guestprep.apply.maintainer_scripts.require_offline`
    refuses those whose scripts matter, while the plan is made.

    :param work: an empty local folder, for a copy of every module file.
    :raises UnsafeNameError: a package has a file outside of the guest's root.
    """
    done = InstalledFiles()
    for package, deb in debs:
        paths, sums = _files(deb, into, work, done)
        _register(package, deb, into, paths, sums, done)
    return done


class _SummedStream:
    """A file that is copied while its MD5 sum is made, whatever its size."""

    def __init__(self, stream: IO[bytes]):
        self._stream = stream
        self.md5 = hashlib.md5(usedforsecurity=False)

    def read(self, size: int = -1) -> bytes:
        piece = self._stream.read(size)
        self.md5.update(piece)
        return piece


def _files(
    deb: Deb, into: NewFiles, work: Path, done: InstalledFiles
) -> tuple[list[str], dict[str, str]]:
    """Add a package's files; their paths as the package names them, and their MD5 sums."""
    paths, sums = [], {}
    folders: dict[str, tarfile.TarInfo] = {}
    with deb.data() as data:
        for entry in deb.entries(data):
            name = clean_name(str(entry.name), of=str(deb.path))
            paths.append(f"/{name}" if name else "/.")
            folders.pop(name.rpartition("/")[0], None)  # it isn't empty
            entry.name = into.real_name(name)
            if entry.isdir():
                folders[name] = entry
            elif entry.isfile():
                stream = data.extractfile(entry)
                assert stream is not None
                content = _SummedStream(stream)
                place = module_place(name)
                if place is not None and (is_module(name) or place[1] in INPUTS):
                    local = work / str(into.count)  # never under the name that the package gives it
                    with local.open("wb") as out:
                        shutil.copyfileobj(content, out)
                    done.modules.setdefault(place[0], {})[place[1]] = local
                    with local.open("rb") as copy:
                        into.add_member(entry, copy)
                else:
                    into.add_member(entry, content)
                sums[name] = content.md5.hexdigest()
            else:
                if entry.islnk():
                    entry.linkname = into.real_name(entry.linkname)
                into.add_member(entry, None)
    # Folders with content come by themselves; one that exists must not be touched.
    for entry in folders.values():
        into.add_member(entry, None)
    return paths, sums


def _register(
    package: ArchivePackage,
    deb: Deb,
    into: NewFiles,
    paths: Sequence[str],
    sums: dict[str, str],
    done: InstalledFiles,
) -> None:
    """dpkg's records: the status paragraph, and the files below its info folder."""
    stem = package.name
    if package.multi_arch == "same":  # several architectures' records stand side by side
        stem = f"{package.name}:{package.architecture}"
    into.add(f"{_INFO}/{stem}.list", "".join(f"{path}\n" for path in paths).encode())
    info = dict(deb.info)
    # dpkg --audit complains of a package without; not every package brings its own.
    info.setdefault(
        "md5sums", "".join(f"{digest}  {name}\n" for name, digest in sums.items()).encode()
    )
    for name, content in sorted(info.items()):
        into.add(f"{_INFO}/{stem}.{name}", content, 0o755 if name in SCRIPTS else 0o644)
    done.stanzas.append(status_paragraph(deb, sums))
    done.names.append(package.name)
    for line in info.get("triggers", b"").decode("utf-8", "replace").splitlines():
        words = line.split("#", 1)[0].split()
        if len(words) == 2 and words[0].startswith("interest"):
            suffix = "/noawait" if words[0].endswith("-noawait") else ""
            done.interests.append((words[1], stem + suffix))


def status_paragraph(deb: Deb, sums: dict[str, str]) -> str:
    """The paragraph that dpkg would write for an installed package."""
    lines = deb.control.strip("\n").split("\n")
    conffiles = [
        line.strip() for line in decode(deb.info.get("conffiles", b"")).splitlines() if line.strip()
    ]
    out = [lines[0], "Status: install ok installed", *lines[1:]]
    if conffiles:
        out.append("Conffiles:")
        out += [
            f" {path} {sums.get(clean_name(path, of=str(deb.path)), 'newconffile')}"
            for path in conffiles
        ]
    return "\n".join(out) + "\n"


def extended_states(text: str, names: Sequence[str], architecture: str) -> str:
    """apt's list of what was installed only because something else needs it, with more names."""
    out = text if not text or text.endswith("\n\n") else text.rstrip("\n") + "\n\n"
    for name in names:
        out += f"Package: {name}\nArchitecture: {architecture}\nAuto-Installed: 1\n\n"
    return out
