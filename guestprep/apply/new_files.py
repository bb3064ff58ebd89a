"""New files for a guest, collected on the host in one archive."""

from __future__ import annotations

import io
import tarfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import IO, Protocol, cast

from guestprep.parse.cpio import clean_name

#: Bytes of a file system's block: a file takes whole ones.
_BLOCK = 4096


def mount_of(path: str, mounts: Iterable[str]) -> str:
    """Where the file system that holds a path is mounted."""
    above = [where for where in mounts if path == where or path.startswith(f"{where.rstrip('/')}/")]
    return max(above, key=len, default="/")


class ReadableBytes(Protocol):
    """What a file's content is read from."""

    def read(self, size: int = -1, /) -> bytes: ...


class NewFiles:
    """New files for a guest as one tar archive, to be unpacked in one call.

    It is complete once closed (:func:`contextlib.closing`).

    :param path: the archive to write.
    :param mounts: where file systems are mounted; files are counted for each.
    :param real_folder: gives a folder's path in the guest without links, such as ``/usr/lib`` for
        ``/lib``: unpacking must neither replace a link nor follow an absolute one into the
        appliance's own files.
    """

    def __init__(
        self,
        path: Path,
        *,
        real_folder: Callable[[str], str] = lambda folder: folder,
        mounts: Sequence[str] = ("/",),
    ):
        self.path = path
        self._mounts = tuple(mounts)
        #: Bytes that the files take, by where their file system is mounted.
        self.bytes_on: Counter[str] = Counter()
        self._tar = tarfile.open(path, "w", format=tarfile.PAX_FORMAT)  # noqa: SIM115 — see close
        self._real_folder = real_folder
        self._folders = {"": ""}
        self._now = int(time.time())
        self.count = 0

    def real_name(self, path: str) -> str:
        """A path relative to the root, through the guest's links.

        :raises UnsafeNameError: it leads out of the root.
        """
        folder, _, last = clean_name(path).rpartition("/")
        if folder not in self._folders:
            self._folders[folder] = clean_name(self._real_folder(f"/{folder}"))
        return f"{self._folders[folder]}/{last}".lstrip("/")

    def add(self, path: str, content: bytes, mode: int = 0o644) -> None:
        """Add a regular file, owned by root."""
        entry = tarfile.TarInfo(self.real_name(path))
        entry.mode, entry.mtime, entry.size = mode, self._now, len(content)
        self.add_member(entry, io.BytesIO(content))

    def add_file(self, path: str, local: Path, mode: int = 0o644) -> None:
        """Add a regular file with a local file's content, owned by root."""
        entry = tarfile.TarInfo(self.real_name(path))
        entry.mode, entry.mtime, entry.size = mode, self._now, local.stat().st_size
        with local.open("rb") as content:
            self.add_member(entry, content)

    def add_link(self, path: str, target: str) -> None:
        """Add a symbolic link; one that exists gets the new target."""
        entry = tarfile.TarInfo(self.real_name(path))
        entry.type, entry.linkname = tarfile.SYMTYPE, target
        entry.mode, entry.mtime = 0o777, self._now
        self.add_member(entry, None)

    def add_member(self, entry: tarfile.TarInfo, content: ReadableBytes | None) -> None:
        """Add an entry of another archive, under its real name."""
        entry.uname = entry.gname = ""  # names of the host's users mean nothing in the guest
        entry.pax_headers = {}  # they would override the entry's name
        self._tar.addfile(entry, cast(IO[bytes], content))
        self.count += 1
        size = -(-entry.size // _BLOCK) * _BLOCK
        self.bytes_on[mount_of(f"/{entry.name}", self._mounts)] += size

    @property
    def bytes(self) -> int:
        """What the files take on a disk."""
        return self.bytes_on.total()

    def close(self) -> None:
        self._tar.close()
