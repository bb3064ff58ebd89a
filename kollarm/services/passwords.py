"""Random passwords of the services on this machine, in files that their owner alone may read."""

from __future__ import annotations

import secrets
from pathlib import Path

from core import files, lock


def password(folder: Path, user: str) -> str:
    """A user's password, made on first use and kept in a folder.

    It consists of letters, digits, ``-`` and ``_``, so that it needs no quoting anywhere.
    """
    path = files.private_folder(folder) / f"{user}.password"
    with lock.locked(folder / ".passwords.lock"):
        if not path.exists():
            files.write(path, secrets.token_urlsafe(24) + "\n", mode=0o600)
        return path.read_text(encoding="utf-8").strip()
