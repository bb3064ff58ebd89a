"""Build contexts as deterministic tar streams.

The same files give the same bytes: sorted, root-owned, at the epoch, with one
of two modes.  Kolla archives plugins and additions with fresh times, which
spoils the engine's layer cache; here they hit it.
"""

from __future__ import annotations

import io
import posixpath
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import IO

from builder.facts import ImageSource, RenderedImage
from core.errors import KollarmError

#: Bytes of a context held in memory before it goes to a temporary file.
SPOOL = 32 * 1024 * 1024


def build_context(
    image: RenderedImage,
    text: str,
    fetch: Callable[[ImageSource], Path | None],
    extra_files: Mapping[str, IO[bytes]] = MappingProxyType({}),
) -> IO[bytes]:
    """The context of an image, as a tar at its start.

    Beside the rendered folder it holds what Kolla's templates ADD:
    ``NAME-archive`` for the image's own source, ``plugins-archive`` and
    ``additions-archive``, which exist even when empty.

    :param text: the Dockerfile.
    :param fetch: gives a source's archive or folder; None for a disabled one.
    :param extra_files: more files, by their names.
    """
    stream: IO[bytes] = tempfile.SpooledTemporaryFile(SPOOL)  # noqa: SIM115 - the caller's
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
        add_bytes(tar, "Dockerfile", text.encode())
        for path in sorted(image.context.rglob("*")):
            name = path.relative_to(image.context).as_posix()
            if name != "Dockerfile":
                add_path(tar, name, path)
        if image.source is not None and (archive := fetch(image.source)) is not None:
            add_archive(tar, f"{image.source.name}-archive", image.source, archive)
        for kind, sources in (("plugins", image.plugins), ("additions", image.additions)):
            with tempfile.SpooledTemporaryFile(SPOOL) as inner:
                with tarfile.open(fileobj=inner, mode="w", format=tarfile.PAX_FORMAT) as packed:
                    add_folder(packed, kind)
                    for source in sources:
                        if (archive := fetch(source)) is not None:
                            _unpack_into(packed, kind, archive)
                add_stream(tar, f"{kind}-archive", inner)
        for name, content in extra_files.items():
            add_stream(tar, name, content)
    stream.seek(0)
    return stream


def add_archive(tar: tarfile.TarFile, name: str, source: ImageSource, archive: Path) -> None:
    """Add a source's archive under a name; a folder is packed first."""
    if archive.is_file():
        add_path(tar, name, archive)
        return
    with tempfile.SpooledTemporaryFile(SPOOL) as inner:
        with tarfile.open(fileobj=inner, mode="w", format=tarfile.PAX_FORMAT) as packed:
            _unpack_into(packed, "", archive)
        add_stream(tar, name, inner)


def _unpack_into(tar: tarfile.TarFile, prefix: str, archive: Path) -> None:
    def place(name: str) -> str:
        return f"{prefix}/{name}" if prefix else name

    if archive.is_dir():
        add_folder(tar, place(archive.name))
        for path in sorted(archive.rglob("*")):
            add_path(tar, place(f"{archive.name}/{path.relative_to(archive).as_posix()}"), path)
        return
    with tarfile.open(archive) as packed:
        for member in packed.getmembers():
            stream = packed.extractfile(member) if member.isreg() else None
            member.name = place(inside(member.name, archive))
            if member.islnk():  # names another member, where a symbolic link names a path
                member.linkname = place(inside(member.linkname, archive))
            if member.isdev():
                raise KollarmError(f"{archive} holds the device {member.name}")
            tar.addfile(plain(member), stream)


def inside(name: str, archive: Path) -> str:
    """A member's normalized name, which may not lead out of the archive's folder.

    :raises KollarmError: it would.
    """
    found = posixpath.normpath(name.lstrip("/"))
    if found.split("/", 1)[0] == "..":
        raise KollarmError(
            f"{archive} is not a source archive: its member {name} lies outside of it"
        )
    return found


def plain(info: tarfile.TarInfo) -> tarfile.TarInfo:
    """Remove from a member the owner, times and modes that differ between equal contents."""
    info.uid = info.gid = 0
    info.uname = info.gname = "root"
    info.mtime = 0
    info.pax_headers = {}
    info.mode = 0o755 if info.isdir() or (info.mode or 0) & 0o100 else 0o644
    return info


def add_path(tar: tarfile.TarFile, name: str, path: Path) -> None:
    """Add a file, folder or symbolic link, without its owner and times."""
    info = tar.gettarinfo(path, name)
    plain(info)
    if info.islnk():  # a second name of a file already added: pack its content again
        info.type = tarfile.REGTYPE
        info.size = path.stat().st_size
    if info.isreg():
        with path.open("rb") as stream:
            tar.addfile(info, stream)
    else:
        tar.addfile(info)


def add_bytes(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    info = plain(tarfile.TarInfo(name))
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))


def add_folder(tar: tarfile.TarFile, name: str) -> None:
    info = tarfile.TarInfo(name)
    info.type = tarfile.DIRTYPE
    tar.addfile(plain(info))


def add_stream(tar: tarfile.TarFile, name: str, stream: IO[bytes]) -> None:
    """Add a file whose content is all of a seekable stream."""
    info = plain(tarfile.TarInfo(name))
    info.size = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    tar.addfile(info, stream)
