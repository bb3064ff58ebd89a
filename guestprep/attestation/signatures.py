"""Signing a prepared image and its provenance, and verifying both.

Beside the image lie its signature, as ``cosign sign-blob`` makes one, and its
statement of provenance in a DSSE envelope, as ``cosign attest-blob`` makes one.
"""

from __future__ import annotations

import base64
import binascii
import json
from pathlib import Path

from core import files
from core.attestation import signing, spdx, statement
from core.attestation.finding import AttestationFinding
from core.cache import file_digest
from core.errors import KollarmError
from guestprep.attestation.provenance import (
    bill_path,
    envelope_path,
    signature_path,
    statement_path,
)


def sign(output: Path, sha256: str, key: signing.Key) -> None:
    """Sign a result and its statement; what this key has already signed is left as it is.

    :param sha256: the result's digest.
    :raises KollarmError: it has no statement of provenance.
    """
    if all(finding.good for finding in _signatures(output, sha256, key.public)):
        return
    try:
        provenance = statement_path(output).read_bytes()
    except OSError as error:
        raise KollarmError(
            f"{output} has no provenance to sign", hint="remove it and prepare it again"
        ) from error
    signature = base64.b64encode(key.sign_digest(sha256)).decode()
    envelope = signing.seal(key, statement.MEDIA_TYPE, provenance)
    files.write(envelope_path(output), envelope.decode() + "\n")
    files.write(signature_path(output), signature + "\n")


def verify(output: Path, key: signing.PublicKey | None = None) -> list[AttestationFinding]:
    """Check that a prepared image is the one its statements are about, and who signed them.

    :param key: the image and its provenance must be signed with it; None asks for neither.
    """
    if not output.exists():
        text = "the image does not exist: run kollarm guest prepare"
        return [AttestationFinding(str(output), "provenance", "", False, text)]
    sha256 = file_digest(output)
    found = [_provenance(output, sha256), _bill(output, sha256)]
    return [*found, *(_signatures(output, sha256, key) if key is not None else ())]


def _provenance(output: Path, sha256: str) -> AttestationFinding:
    document = _read(statement_path(output))
    if document is None:
        good, text = False, f"{statement_path(output).name} is missing or damaged"
    elif good := statement.is_about(document, sha256):
        text = "about this image"
    else:
        text = "it is about another image, or this one was changed"
    return AttestationFinding(str(output), "provenance", f"sha256:{sha256}", good, text)


def _bill(output: Path, sha256: str) -> AttestationFinding:
    good, name = True, bill_path(output).name
    try:
        count = len(spdx.packages_about(bill_path(output).read_bytes(), sha256))
        text = f"{count} packages"
    except OSError:
        good, text = False, f"{name} is missing"
    except KollarmError as error:
        good, text = False, f"{name}: {error.message}"
    return AttestationFinding(str(output), "bill of materials", f"sha256:{sha256}", good, text)


def _signatures(output: Path, sha256: str, key: signing.PublicKey) -> list[AttestationFinding]:
    """Whether the image and its provenance are signed with a key."""
    reference, subject = str(output), f"sha256:{sha256}"
    try:
        signature = base64.b64decode(
            signature_path(output).read_text(encoding="utf-8"), validate=False
        )
        good = key.good_for_digest(signature, sha256)
    except (OSError, binascii.Error, UnicodeDecodeError):
        good = False
    text = "made with the key" if good else "no signature made with this key"
    findings = [AttestationFinding(reference, "signature", subject, good, text)]
    try:
        provenance = statement.parsed(
            signing.open_envelope(envelope_path(output).read_bytes(), key)
        )
        good = statement.is_about(provenance, sha256)
        text = "signed with the key" if good else "it is about another image"
    except OSError:
        good, text = False, "the statement is not signed"
    except KollarmError as error:
        good, text = False, error.message
    return [*findings, AttestationFinding(reference, "signed provenance", subject, good, text)]


def _read(path: Path) -> dict[str, object] | None:
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return document if isinstance(document, dict) else None
