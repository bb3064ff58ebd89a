"""Getting an archive's files over http(s) or from a folder, cached by their hash."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit

from core import download, files
from core.cache import file_digest
from core.errors import KollarmError
from core.lock import locked
from core.paths import cache_dir
from core.untrusted_names import relative_name
from guestprep import limits

_SHA256 = re.compile(r"[0-9a-f]{64}")


class ArchiveError(KollarmError):
    """An archive is unreachable, unsigned, badly signed, or doesn't have what is needed."""


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
        self._session = download.new_session()

    def small(self, path: str) -> bytes | None:
        """A file that no hash is known of; None when the archive doesn't have it.

        :raises DownloadError: the archive can't be reached, or refuses.
        """
        path = self._relative(path)
        if self._folder is not None:
            try:
                return self._read(self._folder / path)
            except FileNotFoundError:
                self._check_folder()
                return None
            except OSError as error:
                raise ArchiveError(f"{self.uri}/{path}: {error.strerror}") from error
        url = f"{self.uri}/{path}"
        return download.small(url, at_most=limits.UNKNOWN, session=self._session)

    def _read(self, path: Path) -> bytes:
        with path.open("rb") as stream:
            content = stream.read(limits.UNKNOWN + 1)
        if len(content) > limits.UNKNOWN:
            raise ArchiveError(f"{path} is larger than any such file of an archive")
        return content

    def cached(self, paths: tuple[str, ...], sha256: str, size: int) -> Path:
        """A file by its hash: from the cache, else from the first of its paths that there is.

        :returns: a file of the cache; don't change it.
        :raises ArchiveError: not there, or with another size or hash than expected.
        :raises DownloadError: the archive can't be reached, or refuses.
        """
        if not _SHA256.fullmatch(sha256):  # it becomes a file's name
            raise ArchiveError(f"{self.uri} lists {paths[-1]} with a damaged SHA256")
        paths = tuple(map(self._relative, paths))
        final = cache_dir() / "archive" / sha256

        def check(path: Path) -> None:
            actual = path.stat().st_size
            if actual != size or file_digest(path) != sha256:
                raise ArchiveError(
                    f"{self.uri}/{paths[-1]} is not the file the archive's index describes",
                    hint="the mirror may be in the middle of an update: try again in a "
                    "few minutes, or use another mirror",
                    details=f"expected {size} bytes with SHA256 {sha256}, got {actual} bytes",
                )

        if final.exists() and final.stat().st_size == size:
            return final
        with locked(final.with_name(f".{sha256}.lock")):
            if final.exists() and final.stat().st_size == size:
                return final
            self._first(paths, final, check, size)
        final.with_name(f".{sha256}.lock").unlink(missing_ok=True)
        return final

    def _relative(self, path: str) -> str:
        return relative_name(path, of=f"the archive {self.uri}")

    def _first(
        self, paths: tuple[str, ...], final: Path, check: Callable[[Path], None], size: int
    ) -> None:
        for path in paths:
            try:
                if self._folder is None:
                    url = f"{self.uri}/{path}"
                    download.fetch(url, final, check=check, at_most=size, session=self._session)
                else:
                    source = self._folder / path
                    if source.stat().st_size != size:
                        check(source)
                    with files.atomic(final) as work:
                        shutil.copyfile(source, work)
                        check(work)
            except (FileNotFoundError, download.NotFound):
                continue
            return
        self._check_folder()
        raise ArchiveError(
            f"{self.uri}/{paths[-1]}: missing, although the archive's index lists it",
            hint="the archive may just have been updated: run again",
        )

    def _check_folder(self) -> None:
        if self._folder is not None and not self._folder.is_dir():
            raise ArchiveError(
                f"{self.uri}: there is no such folder", hint="check the archive's uri"
            )
