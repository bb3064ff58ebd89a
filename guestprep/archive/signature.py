"""An archive's signature, checked by gpgv against one keyring.

Status lines: GnuPG's doc/DETAILS.
"""

from __future__ import annotations

import base64
import binascii
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from core.run import run
from guestprep.archive.fetch import ArchiveError


def verified(signed: bytes, detached: bytes | None, keyring: Path, what: str) -> str:
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
        _judge(result.stdout, result.status, result.stderr, keyring, what)
        text = work / ("text" if detached is None else "signed")
        return text.read_text("utf-8", "replace")


def _judge(status: str, code: int, log: str, keyring: Path, what: str) -> None:
    words = [line.split()[1] for line in status.splitlines() if line.startswith("[GNUPG:] ")]
    if "BADSIG" in words:
        raise ArchiveError(
            f"{what}: bad signature: the file was changed after it was signed", details=log
        )
    # One good signature is enough: archives sign with an old and a new key while they change.
    if code == 0 and "GOODSIG" in words and "VALIDSIG" in words:
        return
    if "GOODSIG" in words and "VALIDSIG" in words and "ERRSIG" in words:
        return
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
