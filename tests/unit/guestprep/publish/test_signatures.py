"""Images' signatures, verified as cursive does: over the whole content."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS
from cryptography.hazmat.primitives.hashes import SHA512
from hypothesis import given
from hypothesis import strategies as st

from core.errors import ConfigError
from guestprep.publish.signature_names import SIGNATURE
from guestprep.publish.signatures import ImageSigner, read_signer
from tests.support.image_keys import make_key, write_key

ID = "6f1ed0f6-9d1c-4d6b-a0b0-9a4f0ce0a3f2"
CONTENT = b"a disk"
DIGEST = hashlib.sha512(CONTENT).hexdigest()

SIGNERS = {kind: ImageSigner(make_key(kind), ID) for kind in ("rsa", "p384")}


@pytest.mark.parametrize("kind", SIGNERS)
def test_a_signature_is_of_the_content(kind: str) -> None:
    signer = SIGNERS[kind]
    told = signer.properties(DIGEST)
    signature = base64.b64decode(told[SIGNATURE])
    if isinstance(signer.key, rsa.RSAPrivateKey):
        padding = PSS(mgf=MGF1(SHA512()), salt_length=PSS.MAX_LENGTH)
        signer.key.public_key().verify(signature, CONTENT, padding, SHA512())
    else:
        signer.key.public_key().verify(signature, CONTENT, ec.ECDSA(SHA512()))
    kinds = {"rsa": "RSA-PSS", "p384": "ECC_SECP384R1"}
    assert told["img_signature_key_type"] == kinds[kind]
    assert signer.signed(told, DIGEST) == told


@pytest.mark.parametrize("kind", SIGNERS)
@given(text=st.one_of(st.text(), st.binary().map(lambda b: base64.b64encode(b).decode())))
def test_what_is_no_signature_is_made_again(kind: str, text: str) -> None:
    signer = SIGNERS[kind]
    assert signer.signed({**signer.properties(DIGEST), SIGNATURE: text}, DIGEST) is None


def test_another_content_or_certificate_is_not_signed() -> None:
    signer = SIGNERS["rsa"]
    told = signer.properties(DIGEST)
    assert signer.signed(told, hashlib.sha512(b"another").hexdigest()) is None
    assert ImageSigner(signer.key, ID.replace("6", "7")).signed(told, DIGEST) is None
    assert signer.signed({}, DIGEST) is None


def test_only_keys_that_nova_verifies_are_taken(tmp_path: Path) -> None:
    good = write_key(make_key("p384"), tmp_path / "good.pem")
    assert read_signer(good, ID).certificate == ID
    small = write_key(make_key("p256"), tmp_path / "small.pem")
    (tmp_path / "text.pem").write_text("-----BEGIN PRIVATE KEY-----\nsecret\n")
    for path in (small, tmp_path / "text.pem", tmp_path / "none.pem"):
        with pytest.raises(ConfigError) as caught:
            read_signer(path, ID)
        assert "secret" not in str(caught.value)
        assert "openssl" in (caught.value.hint or "")
