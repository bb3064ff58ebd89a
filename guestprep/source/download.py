"""Downloading an image: resumed where it was broken off, kept under its digest."""

from __future__ import annotations

import hashlib
from pathlib import Path

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from core import progress, trust
from core.cache import digest, locked
from core.errors import KollarmError
from core.paths import cache_dir
from core.progress import size

#: Seconds to connect, and between two pieces of an answer.
TIMEOUTS = (15, 60)

_PIECE = 1 << 20
_TRIES = 4


class DownloadError(KollarmError):
    """An address that can't be reached, hasn't the file, or sends something else."""


def session() -> requests.Session:
    """A session that repeats a request a server couldn't answer just then."""
    made = requests.Session()
    retry = Retry(total=4, backoff_factor=0.5, status_forcelist=(429, 500, 502, 503, 504))
    made.mount("http://", HTTPAdapter(max_retries=retry))
    made.mount("https://", HTTPAdapter(max_retries=retry))
    return made


def small(url: str) -> bytes | None:
    """A small file; None when the server doesn't have it.

    :raises DownloadError: the server can't be reached, or answers otherwise.
    """
    try:
        answer = session().get(url, timeout=TIMEOUTS)
    except requests.RequestException as error:
        raise _unreachable(url, error) from error
    if answer.status_code in (403, 404, 410):
        return None
    if answer.status_code != 200:
        raise DownloadError(f"{url}: HTTP status {answer.status_code}")
    return answer.content


def image(url: str, algorithm: str, expected: str) -> Path:
    """An image in the cache, downloaded when it isn't there yet.

    :param algorithm: ``sha256`` or ``sha512``, :param expected: the content's digest, which is
        also its name in the cache.
    :raises DownloadError: unreachable, or another content than expected.
    """
    name = url.rstrip("/").rpartition("/")[2] or "image"
    final = cache_dir() / "guests" / digest({algorithm: expected}) / name
    if final.exists():
        return final
    with locked(final.parent / ".lock"):
        if final.exists():
            return final
        part = final.with_name(f"{name}.part")
        with progress.current().step(f"download {name}") as step:
            for attempt in range(1, _TRIES + 1):
                try:
                    _fetch(url, part, step)
                    break
                except (requests.ConnectionError, requests.Timeout) as error:
                    if attempt == _TRIES:
                        raise _unreachable(url, error) from error
                    step.note(f"broken off, going on (try {attempt + 1})")
        with part.open("rb") as stream:
            actual = hashlib.file_digest(stream, algorithm).hexdigest()
        if actual != expected:
            part.unlink()  # resuming it would never make it right
            raise DownloadError(
                f"{url}: the file isn't the one that was signed or asked for",
                hint="the mirror may be in the middle of an update: try again in a few minutes",
                details=f"expected {algorithm} {expected}\nfound    {algorithm} {actual}",
            )
        part.replace(final)
    return final


def _fetch(url: str, part: Path, step: progress.RunningStep) -> None:
    """Add what is missing to a partial download."""
    have = part.stat().st_size if part.exists() else 0
    headers = {"Range": f"bytes={have}-"} if have else {}
    with session().get(url, headers=headers, timeout=TIMEOUTS, stream=True) as answer:
        if have and answer.status_code == 416:  # nothing is missing
            return
        if answer.status_code == 200:
            have = 0  # the server doesn't resume
        elif answer.status_code != 206:
            raise DownloadError(
                f"{url}: HTTP status {answer.status_code}", hint="is the address right?"
            )
        total = have + int(answer.headers.get("Content-Length", 0))
        with part.open("ab" if have else "wb") as out:
            for piece in answer.iter_content(_PIECE):
                out.write(piece)
                have += len(piece)
                step.note(f"{size(have)} of {size(total)}")


def _unreachable(url: str, error: Exception) -> DownloadError:
    return DownloadError(
        f"{url} can't be reached",
        hint=trust.hint(
            error,
            "check the address, the network and the proxy (https_proxy), and for TLS "
            "REQUESTS_CA_BUNDLE",
        ),
        details=str(error),
    )
