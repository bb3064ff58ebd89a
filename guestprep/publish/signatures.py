"""Signatures of images that Glance checks at the upload and Nova before each start.

https://docs.openstack.org/glance/latest/user/signature.html; both verify with cursive, whose
kinds of keys these are. The certificate is in the cloud's key manager (Barbican).
"""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from core.errors import ConfigError
from guestprep.publish.signature_names import CERTIFICATE, SIGNATURE

#: The variable that holds the password of an encrypted key.
PASSWORD = "KOLLARM_IMAGE_KEY_PASSWORD"


_CURVES = ("secp384r1", "secp521r1")

_PADDING = PSS(mgf=MGF1(SHA512()), salt_length=PSS.MAX_LENGTH)


@dataclass(frozen=True)
class ImageSigner:
    """A private key to sign images with, and where the cloud has its certificate."""

    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
    certificate: str
    """The certificate's id in the cloud's key manager."""

    def properties(self, sha512: str) -> dict[str, str]:
        """The Glance properties that sign the content with this digest (hexadecimal)."""
        digest, hashed = bytes.fromhex(sha512), Prehashed(SHA512())
        if isinstance(self.key, rsa.RSAPrivateKey):
            signature = self.key.sign(digest, _PADDING, hashed)
        else:
            signature = self.key.sign(digest, ec.ECDSA(hashed))
        return self._about | {SIGNATURE: base64.b64encode(signature).decode()}

    def signed(self, properties: Mapping[str, str], sha512: str) -> dict[str, str] | None:
        """Those of an image's properties that sign this content; None where they don't.

        Signatures are different each time, so one that is good is kept.
        """
        if any(properties.get(name) != value for name, value in self._about.items()):
            return None
        digest, hashed = bytes.fromhex(sha512), Prehashed(SHA512())
        try:
            signature = base64.b64decode(properties.get(SIGNATURE, ""), validate=True)
            if isinstance(self.key, rsa.RSAPrivateKey):
                self.key.public_key().verify(signature, digest, _PADDING, hashed)
            else:
                self.key.public_key().verify(signature, digest, ec.ECDSA(hashed))
        except (ValueError, InvalidSignature):
            return None
        return self._about | {SIGNATURE: properties[SIGNATURE]}

    @property
    def _about(self) -> dict[str, str]:
        rsa_key = isinstance(self.key, rsa.RSAPrivateKey)
        kind = "RSA-PSS" if rsa_key else f"ECC_{_curve(self.key).upper()}"
        return {
            "img_signature_hash_method": "SHA-512",
            "img_signature_key_type": kind,
            CERTIFICATE: self.certificate,
        }


def read_signer(
    path: Path, certificate: str, environ: Mapping[str, str] = os.environ
) -> ImageSigner:
    """The signer with the key of a PEM file.

    :raises ConfigError: there is none that Nova could verify; no part of it is in the message.
    """
    remedy = "make one with: openssl genrsa -out KEY.pem 4096"
    try:
        key = load_pem_private_key(path.read_bytes(), environ.get(PASSWORD, "").encode() or None)
    except OSError as error:
        raise ConfigError(
            f"the key of images {path} can't be read: {error.strerror}", hint=remedy
        ) from error
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # from None: the parser's words may quote the file
        raise ConfigError(
            f"{path} is not a PEM private key, or {PASSWORD} isn't its password", hint=remedy
        ) from None
    if isinstance(key, rsa.RSAPrivateKey) or (
        isinstance(key, ec.EllipticCurvePrivateKey) and _curve(key) in _CURVES
    ):
        return ImageSigner(key, certificate)
    raise ConfigError(
        f"{path} is neither an RSA key nor one on P-384 or P-521, which Nova verifies", hint=remedy
    )


def _curve(key: object) -> str:
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key.curve.name
