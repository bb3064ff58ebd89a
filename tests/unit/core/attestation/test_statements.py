"""Statements, bills of materials and signatures, without a registry."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
)

from core.attestation import signing, statement
from core.errors import ConfigError, KollarmError
from guestprep.attestation import provenance, signatures
from tests.support.preparation import STATUS, record


def test_a_guest_has_its_provenance_beside_it(tmp_path: Path) -> None:
    made = tmp_path / "made.qcow2"
    provenance.write(record(tmp_path), made, STATUS)
    told = json.loads(provenance.statement_path(made).read_text())
    assert told["subject"] == [{"name": "ubuntu-18.04-arm64", "digest": {"sha256": "ab" * 32}}]
    definition = told["predicate"]["buildDefinition"]
    assert definition["internalParameters"]["steps"] == [
        "install linux-modules-extra 4.15",
        "write /etc/x",
    ]
    source, package = definition["resolvedDependencies"]
    assert source["digest"] == {"sha256": "ef" * 32}
    assert (
        package["uri"] == "pkg:deb/ubuntu/linux-modules-extra@4.15?arch=arm64&distro=ubuntu-18.04"
    )
    listed = json.loads(provenance.bill_path(made).read_text())
    names = [one["name"] for one in listed["packages"]]
    assert names == ["ubuntu-18.04-arm64", "ubuntu", "libc6"]
    assert listed["packages"][0]["primaryPackagePurpose"] == "FILE"
    assert listed["packages"][0]["checksums"][0]["checksumValue"] == "ab" * 32


def test_glance_is_told_what_it_was_made_from(tmp_path: Path) -> None:
    told = provenance.properties(record(tmp_path), tmp_path / "made.qcow2")
    assert told == {
        "kollarm_source_sha256": "ef" * 32,
        "kollarm_image_sha256": "ab" * 32,
        "kollarm_recipe": "1",
    }
    other = dataclasses.replace(record(tmp_path), sha256="00" * 32)
    assert provenance.properties(other, tmp_path / "made.qcow2") != told


def test_a_guests_signatures_are_verified(tmp_path: Path) -> None:
    made = tmp_path / "made.qcow2"
    made.write_bytes(b"an image")
    sha256 = hashlib.sha256(b"an image").hexdigest()
    described = dataclasses.replace(record(tmp_path), sha256=sha256)
    provenance.write(described, made, STATUS)
    own = signing.Key(ec.generate_private_key(ec.SECP256R1()))
    other = signing.Key(ec.generate_private_key(ec.SECP256R1()))

    def found(key: signing.Key | None) -> dict[str, bool]:
        return {one.what: one.good for one in signatures.verify(made, key.public if key else None)}

    assert found(None) == {"provenance": True, "bill of materials": True}
    assert not found(own)["signature"] and not found(own)["signed provenance"]
    signatures.sign(made, sha256, own)
    assert all(found(own).values())
    assert not found(other)["signature"] and not found(other)["signed provenance"]
    signature = provenance.signature_path(made).read_text()
    signatures.sign(made, sha256, own)
    assert provenance.signature_path(made).read_text() == signature, "signed anew without need"
    assert provenance.properties(described, made)["kollarm_signature"] == signature.strip()

    made.write_bytes(b"another image")
    assert not any(found(own).values())
    provenance.write(described, made, STATUS)
    assert not provenance.signature_path(made).exists()
    made.unlink()
    [missing] = signatures.verify(made)
    assert not missing.good and "kollarm guest prepare" in missing.text


def pem(key: ec.EllipticCurvePrivateKey, password: bytes) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(password))


def test_an_encrypted_key_needs_its_password(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(pem(ec.generate_private_key(ec.SECP256R1()), b"open sesame"))
    key = signing.read_key(path, {signing.PASSWORD: "open sesame"})
    assert key.public.good(key.sign(b"words"), b"words")
    assert not key.public.good(key.sign(b"words"), b"other words")
    for environ in ({}, {signing.PASSWORD: "wrong"}):
        with pytest.raises(ConfigError, match="password") as caught:
            signing.read_key(path, environ)
        assert "sesame" not in str(caught.value) and "BEGIN" not in str(caught.value)


def test_keys_of_other_kinds_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    with pytest.raises(ConfigError, match="can't be read"):
        signing.read_key(path)
    path.write_text("not a key")
    with pytest.raises(ConfigError, match="private key"):
        signing.read_key(path)
    path.write_bytes(pem(ec.generate_private_key(ec.SECP384R1()), b"x"))
    with pytest.raises(ConfigError, match="P-256"):
        signing.read_key(path, {signing.PASSWORD: "x"})


def test_an_envelope_is_opened_with_its_key_only(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", path],
        check=True,
    )
    key = signing.read_key(path)
    sealed = signing.seal(key, statement.MEDIA_TYPE, b"payload")
    assert signing.open_envelope(sealed, key.public) == b"payload"
    other = signing.Key(ec.generate_private_key(ec.SECP256R1()))
    with pytest.raises(KollarmError, match="key"):
        signing.open_envelope(sealed, other.public)
    changed = json.loads(sealed)
    changed["payload"] = "b3RoZXI="
    with pytest.raises(KollarmError, match="key"):
        signing.open_envelope(json.dumps(changed).encode(), key.public)
