"""Locating a configured source, and checking that the file is the right one."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from core.config.base import Architecture
from core.config.model import GuestSource
from core.download import small
from core.errors import ConfigError, UnusableInput
from guestprep import limits
from guestprep.archive.fetch import ArchiveError
from guestprep.archive.keyrings import available
from guestprep.archive.newest import newest
from guestprep.archive.signature import verified
from guestprep.source import catalogue, download
from guestprep.source.checksum import parse_sums, verify
from guestprep.source.local_file import open_regular, resolve


@dataclass(frozen=True)
class ExpectedDigest:
    """A digest that a file should have."""

    algorithm: str
    digest: str


def locate(
    source: GuestSource, architecture: Architecture = Architecture.AARCH64
) -> tuple[Path, str]:
    """The source's file and its SHA256, after everything known of it was checked.

    An image of the catalogue is downloaded; its list of digests must be signed by a key of
    the distribution's keyring, unless the configuration itself has the digest.

    :param architecture: whose image of the catalogue it is.
    :raises UnusableInput: different content than expected, or no list with its name.
    :raises DownloadError: it can't be downloaded.
    :raises ArchiveError: a list without a valid signature.
    """
    if source.path is not None:
        resolve(source.path)  # a missing file is worse than a list without its name
    elif source.url is None and source.image is None:
        raise ConfigError("the guest's source has neither path nor url nor image")
    pinned = ExpectedDigest("sha256", source.sha256) if source.sha256 is not None else None
    expected = pinned or published(source, architecture)
    path = source.path
    if path is None:
        url = _address(source, architecture)
        if expected is None:
            raise ConfigError(
                f"no checksum is given for {url}",
                hint="add sha256, or sha256sums with the list that its publisher has beside it",
            )
        path = download.image(url, expected.algorithm, expected.digest)
    if expected is not None and expected.algorithm != "sha256":
        verify(path, expected.algorithm, expected.digest)
        expected = None
    return path, verify(path, "sha256", expected.digest if expected else None)


def published(
    source: GuestSource, architecture: Architecture = Architecture.AARCH64
) -> ExpectedDigest | None:
    """The digest that the publisher's list has for a source now; None where no list is known.

    :param architecture: whose image of the catalogue it is.
    :raises DownloadError: the list can't be downloaded.
    :raises ArchiveError: it has no valid signature.
    """
    if source.image is not None:
        return _of_catalogue(source, architecture)
    name = str(source.url or source.path).rpartition("/")[2]
    return _listed(source, name)


def _address(source: GuestSource, architecture: Architecture) -> str:
    if source.image is None:
        return str(source.url)
    entry = catalogue.find(source.image)
    return entry.url(entry.file_for(architecture), _mirror(source))


def _mirror(source: GuestSource) -> str | None:
    return str(source.mirror) if source.mirror is not None else None


def _of_catalogue(source: GuestSource, architecture: Architecture) -> ExpectedDigest:
    assert source.image is not None
    entry = catalogue.find(source.image)
    mirror = _mirror(source)
    url = entry.url(entry.sums, mirror)
    content = small(url, at_most=limits.UNKNOWN)
    if content is None:
        raise UnusableInput(
            f"{url} does not exist",
            hint="does the mirror have the layout of the distribution's server?",
        )
    signature = None
    for name in entry.signatures:
        signature = signature or small(entry.url(name, mirror), at_most=limits.UNKNOWN)
    if signature is None:
        raise ArchiveError(
            f"{url}: not signed: there is no {' or '.join(entry.signatures)} beside it",
            hint="give the image's digest, from where you trust it, as sha256: in its source",
        )
    keyring = available(source.keyring or entry.keyring)
    text = _newest(content, signature, keyring, url)
    return _of(text, url, entry.file_for(architecture))


def _listed(source: GuestSource, name: str) -> ExpectedDigest | None:
    """What the configured list says of a file name; None without a list."""
    if source.sha256sums is None:
        return None
    where = source.sha256sums
    content = _read(where)
    if content is None:
        raise UnusableInput(f"{where}: there is no such list")
    if source.keyring is None:
        return _of(content.decode("utf-8", "replace"), where, name)
    signature = _read(f"{where}.gpg") or _read(f"{where}.sign")
    return _of(_newest(content, signature, source.keyring, where), where, name)


def _newest(content: bytes, signature: bytes | None, keyring: Path, where: str) -> str:
    """The text of a signed list, or of a newer one that was there before.

    Such a list has no date: the signature's own counts.
    """
    signed = verified(content, signature, keyring, where)
    return newest(where, keyring, signed.text, signed.signed)


def _read(where: str) -> bytes | None:
    if where.startswith(("http://", "https://")):
        return small(where, at_most=limits.UNKNOWN)
    if not os.path.lexists(where):
        return None
    with open_regular(Path(where)) as stream:
        content = stream.read(limits.UNKNOWN + 1)
    if len(content) > limits.UNKNOWN:
        raise UnusableInput(f"{where} is too large for a list of digests or a signature")
    return content


def _of(text: str, where: str, name: str) -> ExpectedDigest:
    digests = parse_sums(text)
    if name not in digests:
        raise UnusableInput(
            f"{where} has no line for {name}",
            hint="the image must keep the file name it was published under; the list has: "
            + (", ".join(sorted(digests)[:5]) or "nothing"),
        )
    digest = digests[name]
    return ExpectedDigest("sha512" if len(digest) == 128 else "sha256", digest)
