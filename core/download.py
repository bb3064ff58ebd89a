"""Downloads over HTTP: retried, resumed after a cut, and named only when complete."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from core import trust
from core.errors import KollarmError
from core.progress import size

#: Seconds to connect, and between two pieces of an answer.
TIMEOUTS = (15, 60)

#: How often a download is started or resumed.
ATTEMPTS = 4

_PIECE = 1 << 18
_MISSING = (403, 404, 410)


class DownloadError(KollarmError):
    """A server can't be reached, doesn't have the file, or sends something else."""


class NotFound(DownloadError):
    """The server doesn't have the file."""


def new_session() -> requests.Session:
    """A session that repeats a request the server couldn't answer just then, for about 7 s."""
    session = requests.Session()
    session.headers["Accept-Encoding"] = "identity"  # sizes are those of the file
    retry = Retry(total=4, backoff_factor=0.5, status_forcelist=(429, 500, 502, 503, 504))
    session.mount("http://", HTTPAdapter(max_retries=retry))
    session.mount("https://", HTTPAdapter(max_retries=retry))
    return session


def small(url: str, *, at_most: int, session: requests.Session | None = None) -> bytes | None:
    """A small file's content; None when the server doesn't have it.

    :param at_most: refuse a file of more bytes than this.
    :raises DownloadError: the server can't be reached, or answers otherwise.
    """
    content = b""
    try:
        with (session or new_session()).get(url, timeout=TIMEOUTS, stream=True) as answer:
            if answer.status_code in _MISSING:
                return None
            if answer.status_code != requests.codes.ok:
                raise DownloadError(f"{url}: HTTP status {answer.status_code}")
            for piece in answer.iter_content(_PIECE):
                content += piece
                if len(content) > at_most:
                    raise _too_large(url, at_most)
    except requests.RequestException as error:
        raise _unreachable(url, error) from error
    return content


def fetch(
    url: str,
    target: Path,
    *,
    check: Callable[[Path], None] | None = None,
    at_most: int,
    on_progress: Callable[[str], None] = lambda text: None,
    session: requests.Session | None = None,
) -> None:
    """Download a file beside *target*, and give it that name when it is complete and right.

    One that was interrupted, in this run or an earlier one, is resumed where *check* tells
    whether the parts fit together, and else starts again.

    :param check: gets the complete file, and raises a KollarmError if it isn't the right one.
    :param at_most: refuse a file of more bytes than this.
    :param on_progress: gets what to show while bytes arrive (``"3 MiB of 20 MiB"``).
    :param session: from :func:`new_session`, for several downloads from one server.
    :raises NotFound: the server doesn't have the file.
    :raises DownloadError: the server can't be reached, or sends something else.
    """
    part = target.with_name(f"{target.name}.part")
    for attempt in range(1, ATTEMPTS + 1):
        if check is None:
            part.unlink(missing_ok=True)
        try:
            _receive(session or new_session(), url, part, at_most, on_progress)
            break
        except requests.RequestException as error:
            if attempt == ATTEMPTS:
                raise _unreachable(url, error) from error
            on_progress(f"connection lost, retrying (attempt {attempt + 1})")
    if check is not None:
        try:
            check(part)
        except KollarmError:
            part.unlink()  # resuming it would never make it right
            raise
    part.replace(target)


def _receive(
    session: requests.Session,
    url: str,
    part: Path,
    at_most: int,
    on_progress: Callable[[str], None],
) -> None:
    """Add what is missing to a partial download.

    :raises requests.RequestException: the connection is lost while bytes arrive.
    """
    have = part.stat().st_size if part.exists() else 0
    headers = {"Range": f"bytes={have}-"} if have else {}
    try:
        answer = session.get(url, headers=headers, timeout=TIMEOUTS, stream=True)
    except requests.RequestException as error:
        raise _unreachable(url, error) from error
    with answer:
        status = answer.status_code
        if have and status == requests.codes.requested_range_not_satisfiable:
            return  # nothing is missing
        if status == requests.codes.ok:
            have = 0  # the server doesn't resume
        elif status != requests.codes.partial_content:
            kind = NotFound if status in _MISSING else DownloadError
            raise kind(f"{url}: HTTP status {status}", hint="is the address right?")
        length = answer.headers.get("Content-Length")
        total = have + int(length) if length else None
        with part.open("ab" if have else "wb") as out:
            _bound(url, part, total or 0, at_most)
            for piece in answer.iter_content(_PIECE):
                have += len(piece)
                _bound(url, part, have, at_most)
                out.write(piece)
                on_progress(f"{size(have)} of {size(total)}" if total else size(have))


def _bound(url: str, part: Path, amount: int, at_most: int) -> None:
    if amount > at_most:
        part.unlink()
        raise _too_large(url, at_most)


def _too_large(url: str, at_most: int) -> DownloadError:
    return DownloadError(f"{url}: the file is larger than the {at_most} bytes it may have")


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
