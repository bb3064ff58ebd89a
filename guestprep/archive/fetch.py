"""Getting an archive's files over http(s) or from a folder, cached by their hash."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from core import files, trust
from core.cache import file_digest, locked
from core.errors import KollarmError
from core.paths import cache_dir

#: Seconds to connect, and between two pieces of an answer.
TIMEOUTS = (15, 60)

_PIECE = 1 << 18


class ArchiveError(KollarmError):
    """An archive is unreachable, unsigned, badly signed, or lacks what is needed."""


class Fetcher:
    """Downloads below one archive's address.

    :param uri: ``http://…``, ``https://…`` or ``file:///…`` (a plain path is taken too).
    """

    def __init__(self, uri: str):
        self.uri = uri.rstrip("/")
        parts = urlsplit(self.uri)
        self._folder = Path(unquote(parts.path)) if parts.scheme in ("", "file") else None
        if parts.scheme not in ("", "file", "http", "https"):
            raise ArchiveError(
                f"{uri}: kollarm reads archives at http:, https: and file: addresses only"
            )
        self._session = requests.Session()
        # Archives' mirrors have short moments of not answering; four tries take about 7 s.
        retry = Retry(total=4, backoff_factor=0.5, status_forcelist=(429, 500, 502, 503, 504))
        self._session.mount("http://", HTTPAdapter(max_retries=retry))
        self._session.mount("https://", HTTPAdapter(max_retries=retry))

    def small(self, path: str) -> bytes | None:
        """A file that no hash is known of; None when the archive doesn't have it."""
        if self._folder is not None:
            try:
                return (self._folder / path).read_bytes()
            except FileNotFoundError:
                self._check_folder()
                return None
            except OSError as error:
                raise ArchiveError(f"{self.uri}/{path}: {error.strerror}") from error
        try:
            answer = self._session.get(f"{self.uri}/{path}", timeout=TIMEOUTS)
        except requests.RequestException as error:
            raise self._unreachable(path, error) from error
        if answer.status_code in (403, 404, 410):
            return None
        if answer.status_code != 200:
            raise ArchiveError(f"{self.uri}/{path}: HTTP status {answer.status_code}")
        return answer.content

    def cached(self, paths: tuple[str, ...], sha256: str, size: int) -> Path:
        """A file by its hash: from the cache, else from the first of its paths that there is.

        :returns: a file of the cache; don't change it.
        :raises ArchiveError: unreachable, or with another size or hash than expected.
        """
        final = cache_dir() / "archive" / sha256
        if final.exists() and final.stat().st_size == size:
            return final
        with locked(final.with_name(f".{sha256}.lock")):
            if final.exists() and final.stat().st_size == size:
                return final
            with files.atomic(final) as work:
                self._first(paths, work)
                actual = work.stat().st_size
                if actual != size or file_digest(work) != sha256:
                    raise ArchiveError(
                        f"{self.uri}/{paths[-1]} is not the file the archive's index describes",
                        hint="the mirror may be in the middle of an update: try again in a "
                        "few minutes, or use another mirror",
                        details=f"expected {size} bytes with SHA256 {sha256}, got {actual} bytes",
                    )
        final.with_name(f".{sha256}.lock").unlink(missing_ok=True)
        return final

    def _first(self, paths: tuple[str, ...], work: Path) -> None:
        for path in paths:
            if self._copy(path, work):
                return
        self._check_folder()
        raise ArchiveError(
            f"{self.uri}/{paths[-1]}: not there, though the archive's index names it",
            hint="the archive may have been renewed just now: run again",
        )

    def _copy(self, path: str, work: Path) -> bool:
        if self._folder is not None:
            try:
                work.write_bytes((self._folder / path).read_bytes())
            except FileNotFoundError:
                return False
            return True
        try:
            with (
                self._session.get(f"{self.uri}/{path}", timeout=TIMEOUTS, stream=True) as answer,
                work.open("wb") as out,
            ):
                if answer.status_code != 200:
                    return False
                for piece in answer.iter_content(_PIECE):
                    out.write(piece)
        except requests.RequestException as error:
            raise self._unreachable(path, error) from error
        return True

    def _check_folder(self) -> None:
        if self._folder is not None and not self._folder.is_dir():
            raise ArchiveError(
                f"{self.uri}: there is no such folder", hint="check the archive's uri"
            )

    def _unreachable(self, path: str, error: Exception) -> ArchiveError:
        return ArchiveError(
            f"the archive {self.uri} can't be reached",
            hint=trust.hint(
                error,
                "check the address, the network and the proxy (https_proxy), and for TLS "
                "REQUESTS_CA_BUNDLE",
            ),
            details=f"{path}: {error}",
        )


__all__ = ["ArchiveError", "Fetcher"]
