"""Downloading an image, kept under its digest."""

from __future__ import annotations

import hashlib
from pathlib import Path

from core import progress
from core.cache import digest
from core.download import DownloadError, fetch
from core.lock import locked
from core.paths import cache_dir
from core.untrusted_names import relative_name
from guestprep import limits


def place(algorithm: str, expected: str) -> Path:
    """The folder of the cache for a file of this digest."""
    return cache_dir() / "guests" / digest({algorithm: expected})


def image(url: str, algorithm: str, expected: str) -> Path:
    """An image in the cache, downloaded when it isn't there yet.

    :param algorithm: ``sha256`` or ``sha512``.
    :param expected: the content's digest, which is also its name in the cache.
    :raises DownloadError: unreachable, or another content than expected.
    """
    last = url.rstrip("/").rpartition("/")[2] or "image"
    name = relative_name(last, of="the address of an image")
    final = place(algorithm, expected) / name

    def check(path: Path) -> None:
        with path.open("rb") as stream:
            actual = hashlib.file_digest(stream, algorithm).hexdigest()
        if actual != expected:
            raise DownloadError(
                f"{url}: the file is not the one that was signed or requested",
                hint="the mirror may be in the middle of an update: try again in a few minutes",
                details=f"expected {algorithm} {expected}\nfound    {algorithm} {actual}",
            )

    if final.exists():
        return final
    with locked(final.parent / ".lock"):
        if not final.exists():
            with progress.current().step(f"download {name}") as step:
                fetch(url, final, check=check, at_most=limits.IMAGE, on_progress=step.note)
    return final
