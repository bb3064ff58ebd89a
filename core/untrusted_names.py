"""Names that come from outside: of archives' members, in a guest's files, in overlays.

The first two functions are the only way from such a name to a local path; the third finds the
links in a folder of somebody else's through which a name would lead out.
"""

from __future__ import annotations

import errno
import os
import posixpath
from collections.abc import Iterator
from pathlib import Path

from core.errors import KollarmError


class UnsafeNameError(KollarmError):
    """A name from outside that leads out of the folder it belongs to."""


def relative_name(name: str, *, of: str) -> str:
    """A name from outside as a normalized relative path, such as ``lib/modules/x.ko``.

    :param of: what the name comes from, for the error message.
    :raises UnsafeNameError: it is absolute, empty, has a ``..`` part, or a NUL.
    """
    parts = name.split("/")
    if "\0" in name or name.startswith("/") or ".." in parts:
        raise UnsafeNameError(f"{of} has a name that leads out of its folder: {name!r}")
    found = posixpath.normpath(name)
    if found == "." or not name:
        raise UnsafeNameError(f"{of} has an entry without a name: {name!r}")
    return found


def path_inside(folder: Path, name: str, *, of: str) -> Path:
    """The local path of a name from outside, below a folder.

    The path may not exist yet. Links are followed: one that leads out of the folder is refused,
    wherever it stands in the path.

    :param of: what the name comes from, for the error message.
    :raises UnsafeNameError: the name, or a link on its way, leads out of the folder.
    """
    path = folder / relative_name(name, of=of)
    try:
        found = _followed(path)
    except (OSError, RuntimeError, ValueError) as error:  # a circle of links, or too long
        raise UnsafeNameError(f"{of} has a name that can't be followed: {name!r}") from error
    if not found.is_relative_to(folder.resolve()):
        raise UnsafeNameError(f"{of} has a link that leads out of its folder: {name!r}")
    return path


def links_out_of(folder: Path) -> Iterator[Path]:
    """The symbolic links below a folder that lead out of it, or in a circle."""
    root = folder.resolve()
    for parent, folders, names in os.walk(folder):
        for name in sorted((*folders, *names)):
            path = Path(parent, name)
            if path.is_symlink():
                try:
                    inside = _followed(path).is_relative_to(root)
                except (OSError, RuntimeError):  # a circle of links
                    inside = False
                if not inside:
                    yield path


def _followed(path: Path) -> Path:
    """The path without links; from Python 3.13 on, resolve() leaves links in a circle as they are.

    :raises OSError: links lead in a circle; before Python 3.13 RuntimeError.
    """
    found = path.resolve()
    try:
        path.stat()
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise
    return found
