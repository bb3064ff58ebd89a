"""Sigstore's own formats: the private keys that cosign makes, and bundles.

A key is encrypted with a password (scrypt, then NaCl's secret box):
https://github.com/sigstore/cosign/blob/main/specs/KEY_STORAGE.md.  A bundle is one
JSON document with an envelope and what it is verified by, as cosign 3 writes and
reads it: https://docs.sigstore.dev/about/bundle/.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import Any

from core.errors import KollarmError
from core.json_object import json_object

BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"

#: What a bundle says of the image it is attached to, where it is no other statement.
SIGNED = "https://sigstore.dev/cosign/sign/v1"

_PEM = re.compile(
    rb"-----BEGIN ENCRYPTED (SIGSTORE|COSIGN) PRIVATE KEY-----(.*?)-----END", re.DOTALL
)

#: Bytes that deriving a key may take; cosign's own parameters need 64 MiB.
_MEMORY = 1 << 28


def is_private_key(content: bytes) -> bool:
    """Whether a file's content is a private key as ``cosign generate-key-pair`` writes it."""
    return _PEM.search(content) is not None


def decrypted(content: bytes, password: bytes) -> bytes:
    """The PKCS#8 key (DER) in what :func:`is_private_key` recognizes.

    :raises ValueError: it is damaged, or the password is another.
    """
    from nacl.exceptions import CryptoError  # noqa: PLC0415 - for such keys alone
    from nacl.secret import SecretBox  # noqa: PLC0415

    found = _PEM.search(content)
    if found is None:
        raise ValueError("no key of cosign's")
    try:
        stored: dict[str, Any] = json.loads(base64.b64decode(found[2]))
        derivation, cipher = stored["kdf"], stored["cipher"]
        if (derivation["name"], cipher["name"]) != ("scrypt", "nacl/secretbox"):
            raise ValueError("an unknown cipher")
        parameters = derivation["params"]
        key = hashlib.scrypt(
            password,
            salt=base64.b64decode(derivation["salt"]),
            n=int(parameters["N"]),
            r=int(parameters["r"]),
            p=int(parameters["p"]),
            maxmem=_MEMORY,
            dklen=SecretBox.KEY_SIZE,
        )
        sealed, nonce = base64.b64decode(stored["ciphertext"]), base64.b64decode(cipher["nonce"])
        return bytes(SecretBox(key).decrypt(sealed, nonce))
    except (KeyError, TypeError, CryptoError) as error:
        raise ValueError("it can't be decrypted") from error


def envelope_of(content: bytes) -> bytes:
    """The DSSE envelope in a bundle.

    :raises KollarmError: it is not a bundle, or one with another sort of signature.
    """
    envelope = json_object(content, "the Sigstore bundle").get("dsseEnvelope")
    if envelope is None:
        raise KollarmError("the Sigstore bundle holds no DSSE envelope")
    return json.dumps(envelope).encode()
