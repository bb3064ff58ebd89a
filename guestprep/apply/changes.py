"""The changes to a guest's tree, collected on the host and then made in few strokes."""

from __future__ import annotations

import contextlib
import io
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from guestprep.appliance import Appliance, GuestCallError
from guestprep.parse.cpio import clean_name

#: Top folders that are links into /usr on a merged system.
_MERGED = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")

#: ext4 needs some of every file's last block, and a tree of folders; rounded up generously.
_BLOCK = 4096


@dataclass(frozen=True)
class Append:
    """Bytes that go into an existing file."""

    path: str
    """In the guest;."""
    local: Path
    """What to write."""
    offset: int
    """From there on."""


class NewFiles:
    """New files as one tar archive, unpacked in one stroke.

    :param usr_merged: whether ``/lib`` and its like are links into ``/usr``: unpacking must
        go through such a link and never replace it, so names are given below ``/usr``.

    ``bytes`` is what the files take on a disk, ``boot_bytes`` the part of it below /boot.
    """

    def __init__(self, path: Path, *, usr_merged: bool):
        self.path = path
        self._tar = tarfile.open(path, "w", format=tarfile.PAX_FORMAT)  # noqa: SIM115 — see closed
        self._usr_merged = usr_merged
        self._now = int(time.time())
        self.count = 0
        self.bytes = 0
        self.boot_bytes = 0

    def placed(self, path: str) -> str:
        """Where a path really is, relative to the root."""
        name = clean_name(path)
        top, _, rest = name.partition("/")
        return f"usr/{name}" if self._usr_merged and rest and top in _MERGED else name

    def add(self, path: str, content: bytes, mode: int = 0o644) -> None:
        """A regular file of root's."""
        entry = tarfile.TarInfo(self.placed(path))
        entry.mode, entry.mtime, entry.size = mode, self._now, len(content)
        self.add_member(entry, io.BytesIO(content))

    def add_file(self, path: str, local: Path, mode: int = 0o644) -> None:
        """A regular file of root's with a local file's content."""
        entry = tarfile.TarInfo(self.placed(path))
        entry.mode, entry.mtime, entry.size = mode, self._now, local.stat().st_size
        with local.open("rb") as content:
            self.add_member(entry, content)

    def add_link(self, path: str, target: str) -> None:
        """A symbolic link; one that exists gets the new target."""
        entry = tarfile.TarInfo(self.placed(path))
        entry.type, entry.mode, entry.mtime, entry.linkname = (
            tarfile.SYMTYPE,
            0o777,
            self._now,
            target,
        )
        self.add_member(entry, None)

    def add_member(self, entry: tarfile.TarInfo, content: IO[bytes] | None) -> None:
        """An entry of another archive, its name already placed."""
        entry.uname = entry.gname = ""  # names of the host's users mean nothing in the guest
        self._tar.addfile(entry, content)
        self.count += 1
        room = -(-entry.size // _BLOCK) * _BLOCK
        self.bytes += room
        if entry.name.startswith("boot/"):
            self.boot_bytes += room

    def close(self) -> None:
        self._tar.close()


@contextmanager
def new_files(path: Path, *, usr_merged: bool) -> Iterator[NewFiles]:
    """New files to be collected in the block; the archive is complete behind it."""
    collected = NewFiles(path, usr_merged=usr_merged)
    try:
        yield collected
    finally:
        collected.close()


@dataclass(frozen=True)
class Changes:
    """Everything that is to happen to a tree."""

    archive: Path | None
    """A tar archive of new files, unpacked at ``/``; None without any."""
    appends: tuple[Append, ...]
    texts: dict[str, bytes]
    """New content by path for files that exist, which keep owner and mode."""
    remove: tuple[str, ...]
    """Paths to remove with all below them."""
    unlink: tuple[str, ...] = ()
    """Files to remove; one that is a folder stays, as a package's list of its paths doesn't tell
    which are.
    """


def make(appliance: Appliance, changes: Changes) -> None:
    """Make the changes in a tree mounted writable at ``/``."""
    for path in changes.unlink:
        with contextlib.suppress(GuestCallError):
            appliance.unlink(path)
    for path in changes.remove:
        appliance.remove(path)
    if changes.archive is not None:
        appliance.tar_in(changes.archive, "/")
    for path, content in changes.texts.items():
        appliance.call("write", path, content)
    for append in changes.appends:
        end = append.offset + append.local.stat().st_size
        appliance.upload_at(append.local, append.path, append.offset)
        if appliance.file_size(append.path) > end:
            appliance.truncate(append.path, end)
