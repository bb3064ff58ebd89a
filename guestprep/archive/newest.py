"""The newest list that an archive has signed, remembered so that an older one can't replace it.

As apt does it: an older list, from a mirror that lags behind or from somebody who replays it, is
left aside, and the newer one of an earlier run is used instead.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from core import files, progress
from core.cache import digest, file_digest
from core.paths import cache_dir


def newest(where: str, keyring: Path, text: str, made: datetime | None) -> str:
    """The newest text that was seen at an address: this one, or one of an earlier run.

    :param where: the address, with the suite.
    :param keyring: the keyring that the signature was checked with.
    :param text: what is there now, its signature checked.
    :param made: when it was made or signed; None for a text that doesn't tell, which is older than
        any other.
    """
    path = _path(where, keyring)
    known = _read(path)
    if known is not None and (made is None or made < known[0]):
        progress.current().warn(
            f"{where} is older ({made or 'no date'}) than what was there before ({known[0]}): the "
            "newer one is used. A mirror may lag behind, or somebody may replay an old state; if "
            f"the archive itself went back, remove {path}"
        )
        return known[1]
    # One of the future, by this machine's clock, is not for remembering.
    if made is not None and made <= datetime.now(UTC) and (known is None or made > known[0]):
        files.write(path, json.dumps({"made": made.isoformat(), "text": text}))
    return text


def _path(where: str, keyring: Path) -> Path:
    return cache_dir() / "newest" / digest({"where": where, "keyring": file_digest(keyring)})


def _read(path: Path) -> tuple[datetime, str] | None:
    """What is remembered; None where that is nothing, or can't be read."""
    try:
        data = json.loads(path.read_bytes())
        return datetime.fromisoformat(data["made"]), str(data["text"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
