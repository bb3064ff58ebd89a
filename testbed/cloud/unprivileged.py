"""Servers as users without any rights, each with one folder of its own.

The cloud's folder is its owner's alone, so such a user couldn't reach a folder below it. A server
therefore runs in its own mount namespace, where its folder has another place.
"""

from __future__ import annotations

import os
from pathlib import Path

from core import files

#: Where a server sees its folder.
MOUNTED = Path("/run/kollarm-cloud")

#: Users without a name, one for each server. Debian reserves the numbers from 65000 to 65533
#: (https://www.debian.org/doc/debian-policy/ch-opersys.html), and systemd takes none above 65519.
DATABASE, QUEUE = 65521, 65522

# $1: the folder, $2: its place for the command, which follows.
_BIND = 'mkdir -p "$2" && mount --bind "$1" "$2" && cd "$2" && shift 2 && exec "$@"'


def folder_of(user: int, folder: Path) -> Path:
    """Make a server's folder, if it is missing, and return it."""
    files.private_folder(folder)
    os.chown(folder, user, user)
    return folder


def write(user: int, path: Path, content: str) -> None:
    """Write a file that the server's user alone may read."""
    files.write(path, content, mode=0o600)
    os.chown(path, user, user, follow_symlinks=False)


def bound(folder: Path, *command: str) -> tuple[str, ...]:
    """The command that sees a folder at :data:`MOUNTED`, still as root."""
    return ("unshare", "--mount", "--propagation", "private",
            "sh", "-c", _BIND, "sh", str(folder), str(MOUNTED), *command)  # fmt: skip


def as_user(user: int, folder: Path, *command: str) -> tuple[str, ...]:
    """The command that sees its folder at :data:`MOUNTED`, as a user without rights."""
    return bound(
        folder,
        "setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--no-new-privs",
        *command,
    )  # fmt: skip
