"""Signatures with a key of the user's: ECDSA on P-256 with SHA-256, as cosign makes them.

The key is a PEM file as ``cosign generate-key-pair`` or ``openssl ecparam -name
prime256v1 -genkey -noout`` writes it, or PKCS#8, encrypted or not.  The envelope is DSSE
(https://github.com/secure-systems-lab/dsse).
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    load_der_private_key,
    load_pem_private_key,
    load_pem_public_key,
)

from core.attestation import sigstore, statement
from core.errors import ConfigError, KollarmError
from core.json_object import json_object

#: The variable that holds the password of an encrypted key; cosign reads the same.
PASSWORD = "COSIGN_PASSWORD"

_MAKE_KEY = "openssl ecparam -name prime256v1 -genkey -noout -out KEY.pem"

ENVELOPE = "application/vnd.dsse.envelope.v1+json"


class Key:
    """A private key to sign with."""

    def __init__(self, key: ec.EllipticCurvePrivateKey):
        self._key = key

    def sign(self, content: bytes) -> bytes:
        """The signature (ASN.1 DER) of some bytes."""
        return self._key.sign(content, ec.ECDSA(SHA256()))

    def sign_digest(self, sha256: str) -> bytes:
        """The signature (ASN.1 DER) of what has this digest, 64 hexadecimal digits."""
        return self._key.sign(bytes.fromhex(sha256), ec.ECDSA(Prehashed(SHA256())))

    @property
    def public(self) -> PublicKey:
        return PublicKey(self._key.public_key())


class PublicKey:
    """A public key to verify with."""

    def __init__(self, key: ec.EllipticCurvePublicKey):
        self._key = key

    def good(self, signature: bytes, content: bytes) -> bool:
        """Whether a signature of some bytes was made with the private key."""
        return self._verified(signature, content, ec.ECDSA(SHA256()))

    def good_for_digest(self, signature: bytes, sha256: str) -> bool:
        """Whether a signature of what has this digest was made with the private key."""
        return self._verified(signature, bytes.fromhex(sha256), ec.ECDSA(Prehashed(SHA256())))

    def _verified(self, signature: bytes, content: bytes, algorithm: ec.ECDSA) -> bool:
        try:
            self._key.verify(signature, content, algorithm)
        except InvalidSignature:
            return False
        return True


def read_key(path: Path, environ: Mapping[str, str] = os.environ) -> Key:
    """The private key of a PEM file.

    :raises ConfigError: there is none that can be used; no part of it is in the message.
    """
    password = environ.get(PASSWORD, "").encode()
    try:
        content = path.read_bytes()
        if sigstore.is_private_key(content):
            key = load_der_private_key(sigstore.decrypted(content, password), None)
        else:
            key = load_pem_private_key(content, password or None)
    except OSError as error:
        raise ConfigError(f"the signing key {path} can't be read: {error.strerror}") from error
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # from None: the parser's words may quote the file
        raise ConfigError(
            f"{path} is not a PEM private key, or {PASSWORD} isn't its password",
            hint=f"make one with: cosign generate-key-pair, or: {_MAKE_KEY}",
        ) from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ConfigError(f"{path} is not a P-256 key", hint=f"make one with: {_MAKE_KEY}")
    return Key(key)


def read_public_key(path: Path) -> PublicKey:
    """The public key of a PEM file.

    :raises ConfigError: there is none that can be used.
    """
    try:
        key = load_pem_public_key(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"the public key {path} can't be read: {error.strerror}") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ConfigError(
            f"{path} is not a PEM public key",
            hint="write one with: openssl ec -in KEY.pem -pubout -out PUBLIC.pem",
        ) from error
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise ConfigError(f"{path} is not an ECDSA key")
    return PublicKey(key)


def pre_authentication(media_type: str, payload: bytes) -> bytes:
    """The bytes that a DSSE signature is over."""
    kind = media_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def seal(key: Key, media_type: str, payload: bytes) -> bytes:
    """A DSSE envelope around a payload."""
    signature = key.sign(pre_authentication(media_type, payload))
    return json.dumps(
        {
            "payloadType": media_type,
            "payload": base64.b64encode(payload).decode(),
            "signatures": [{"keyid": "", "sig": base64.b64encode(signature).decode()}],
        }
    ).encode()


def open_envelope(content: bytes, key: PublicKey | None) -> bytes:
    """The payload of a DSSE envelope around an in-toto statement.

    :param key: one of its signatures must be this key's; None asks for none.
    :raises KollarmError: it is not such an envelope, or isn't signed with the key.
    """
    envelope = json_object(content, "the signed statement")
    try:
        media_type = envelope["payloadType"]
        payload = base64.b64decode(envelope["payload"], validate=True)
        signatures = [base64.b64decode(one["sig"], validate=True) for one in envelope["signatures"]]
    except (ValueError, KeyError, TypeError) as error:
        raise KollarmError("the signed statement is not a DSSE envelope") from error
    # the type is signed too: what the key signed for another purpose is not a statement
    if media_type != statement.MEDIA_TYPE:
        raise KollarmError(f"the envelope holds {media_type!r}, not an in-toto statement")
    if key is not None:
        signed = pre_authentication(media_type, payload)
        if not any(key.good(signature, signed) for signature in signatures):
            raise KollarmError("the statement isn't signed with this key")
    return payload
