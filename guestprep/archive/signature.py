"""An archive's signature, checked by gpgv against one keyring.

Status lines: GnuPG's doc/DETAILS.
"""

from __future__ import annotations

import base64
import binascii
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from core.run import run
from guestprep.archive.fetch import ArchiveError

#: Hash algorithms that a signature may not use (RFC 4880, 9.4), by their number.
_WEAK = {"1": "MD5", "2": "SHA-1", "3": "RIPEMD-160"}

#: What gpgv says of each signature, before the details of it.
_VERDICTS = ("GOODSIG", "BADSIG", "ERRSIG", "EXPSIG", "EXPKEYSIG", "REVKEYSIG")

#: How a clear-signed message begins (RFC 9580, 7); within one such a line would be escaped.
_MESSAGE = re.compile(rb"^-----BEGIN PGP SIGNED MESSAGE-----", re.MULTILINE)


@dataclass(frozen=True)
class SignedText:
    """A text whose signature was checked."""

    text: str
    signed: datetime
    """When it was signed, by the signature itself."""


@dataclass(frozen=True)
class _GoodSignature:
    """A signature that is valid."""

    hash: str
    """Number of its hash algorithm."""
    time: datetime


def verified(signed: bytes, detached: bytes | None, keyring: Path, what: str) -> SignedText:
    """The text that a key of the keyring has signed.

    :param signed: a clear-signed file (InRelease), or the plain one (Release).
    :param detached: the plain one's signature (Release.gpg).
    :param what: the file's name in messages.
    :raises ArchiveError: each kind of bad signature with its own message.
    """
    if not keyring.is_file():
        raise ArchiveError(
            f"the keyring {keyring} does not exist",
            hint="install it (packages debian-archive-keyring, ubuntu-keyring), or name the "
            "archive's own in the configuration",
        )
    if detached is None and len(_MESSAGE.findall(signed)) > 1:
        raise ArchiveError(f"{what}: more than one signed message, where one belongs")
    with tempfile.TemporaryDirectory(prefix="kollarm-gpgv-") as folder:
        work = Path(folder)
        key = _binary_keyring(keyring, work)
        (work / "signed").write_bytes(signed)
        argv: list[str | Path] = ["gpgv", "--status-fd", "1", "--keyring", key]
        if detached is None:
            argv += ["--output", work / "text", work / "signed"]
        else:
            (work / "signature").write_bytes(detached)
            argv += [work / "signature", work / "signed"]
        result = run(argv, check=False, hint="install the package gpgv")
        time = _judge(result.stdout, result.stderr, keyring, what)
        text = work / ("text" if detached is None else "signed")
        return SignedText(text.read_text("utf-8", "replace"), time)


def _good(lines: Sequence[Sequence[str]]) -> list[_GoodSignature]:
    """The valid signatures among gpgv's status lines (VALIDSIG: see GnuPG's doc/DETAILS)."""
    found, verdict = [], ""
    for word, *rest in lines:
        if word in _VERDICTS:
            verdict = word
        elif word == "VALIDSIG" and verdict == "GOODSIG" and len(rest) > 7:
            found.append(_GoodSignature(rest[7], datetime.fromtimestamp(int(rest[2]), UTC)))
    return found


def _judge(status: str, log: str, keyring: Path, what: str) -> datetime:
    """When the best of the signatures was made.

    :raises ArchiveError: none of them is good.
    """
    prefix = "[GNUPG:] "
    lines = [line.split()[1:] for line in status.splitlines() if line.startswith(prefix)]
    words = [line[0] for line in lines]
    if "BADSIG" in words:
        raise ArchiveError(
            f"{what}: bad signature: the file was changed after it was signed", details=log
        )
    # One good signature is enough: archives sign with an old and a new key while they change.
    good = _good(lines)
    if strong := [signature for signature in good if signature.hash not in _WEAK]:
        return max(signature.time for signature in strong)
    if good:
        raise ArchiveError(
            f"{what}: signed with the weak hash algorithm {_WEAK[good[0].hash]}",
            hint="such a signature can be forged, and apt refuses it too: use a newer archive",
            details=log,
        )
    if "clock problem" in log:
        raise ArchiveError(
            f"{what}: signed with a key from the future, by this machine's clock",
            hint=f"set the clock: it says {datetime.now(UTC):%a, %d %b %Y %H:%M} UTC",
            details=log,
        )
    if {"EXPKEYSIG", "KEYEXPIRED"} & set(words):
        raise ArchiveError(
            f"{what}: signed with a key that has expired",
            hint=f"get a newer keyring than {keyring}; or this machine's clock is wrong: it says "
            f"{datetime.now(UTC):%a, %d %b %Y %H:%M} UTC",
            details=log,
        )
    if "REVKEYSIG" in words:
        raise ArchiveError(f"{what}: signed with a key that was revoked", details=log)
    if "EXPSIG" in words:
        raise ArchiveError(f"{what}: the signature itself has expired", details=log)
    if {"NO_PUBKEY", "ERRSIG"} & set(words):
        raise ArchiveError(
            f"{what}: not signed by any key in {keyring}",
            hint="check that it is the archive's own keyring",
            details=log,
        )
    raise ArchiveError(f"{what}: not signed", hint="an unsigned archive is never used", details=log)


def _binary_keyring(keyring: Path, work: Path) -> Path:
    """gpgv reads binary keyrings only; apt's folders also have armoured ones (``.asc``)."""
    content = keyring.read_bytes()
    if not content.lstrip().startswith(b"-----BEGIN PGP PUBLIC KEY BLOCK-----"):
        return keyring.absolute()
    binary = work / "keyring.gpg"
    binary.write_bytes(_dearmour(content.decode("ascii", "replace"), keyring))
    return binary


def _dearmour(text: str, keyring: Path) -> bytes:
    """The packets of ASCII armour (RFC 4880, 6.2); its checksum is left to gpgv's own parsing."""
    blocks = []
    for part in text.split("-----BEGIN PGP PUBLIC KEY BLOCK-----")[1:]:
        body = part.split("-----END PGP", 1)[0].replace("\r", "")
        _headers, _, encoded = body.partition("\n\n")
        lines = [line for line in encoded.split("\n") if line and not line.startswith("=")]
        try:
            blocks.append(base64.b64decode("".join(lines), validate=True))
        except binascii.Error as error:
            raise ArchiveError(f"{keyring} is damaged: {error}") from error
    return b"".join(blocks)
