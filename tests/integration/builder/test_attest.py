"""Attestations of an index in a real registry, whose images a real engine built."""

from __future__ import annotations

import base64
import dataclasses
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from builder import index
from core.attestation import artifact, signing, spdx, statement, verification
from core.attestation.cosign import SIGNATURE, SIMPLE_SIGNING
from core.cache import file_digest
from core.config.model import Architecture
from core.oci.registry import OCI_INDEX, RegistryError
from guestprep.attestation import provenance, signatures
from tests.support import preparation
from tests.support.attested_image import AttestedImage
from tests.support.commands import kollarm
from tests.support.registries import RunningRegistry

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRegistry]:
    running = RunningRegistry(tmp_path_factory.mktemp("registry"))
    yield running
    running.stop()


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """A key as a user makes it."""
    path = tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", path],
        check=True,
    )
    return path


def test_an_index_is_attested_and_verified(registry: RunningRegistry, tmp_path: Path) -> None:
    image = AttestedImage(registry, tmp_path, "told")
    with pytest.raises(RegistryError, match="index"):
        image.verify()
    index.write(image.client, image.step.repository, "t", index.compose(image.members))
    assert [finding.good for finding in image.verify()] == [False, False, False]

    image.attest()
    findings = image.verify()
    assert all(finding.good for finding in findings), findings
    assert [finding.text for finding in findings] == [
        "about this index",
        "2 packages",
        "2 packages",
    ]

    [told] = verification.statements(image.client, image.step.repository, "t")
    assert told["subject"][0]["digest"] == {"sha256": findings[0].subject.partition(":")[2]}
    definition = told["predicate"]["buildDefinition"]
    assert definition["externalParameters"] == {"release": "2026.1", "image": "told", "tag": "t"}
    assert definition["internalParameters"]["kolla"] == "22.2.0"
    dependencies = {one["name"]: one for one in definition["resolvedDependencies"]}
    assert len(dependencies["mine"]["digest"]["sha256"]) == 64
    assert dependencies["told"]["digest"] == {"sha256": "ab" * 32}
    assert len(dependencies["base"]["digest"]["sha256"]) == 64
    assert dependencies["base"]["annotations"]["key"] == "key of the base"

    # This registry has no list of referrers: the fallback tag has it.
    assert image.client.referrers(image.step.repository, findings[0].subject) is None
    tag = findings[0].subject.replace(":", "-")
    assert image.client.index(image.step.repository, tag) is not None


def test_the_bill_of_materials_is_from_the_images_databases(
    registry: RunningRegistry, tmp_path: Path
) -> None:
    image = AttestedImage(registry, tmp_path, "billed")
    image.attest()
    member = image.members[Architecture.AARCH64].digest
    [one] = artifact.referrers(image.client, image.step.repository, member)
    assert one["artifactType"] == spdx.MEDIA_TYPE
    content = artifact.content_of(image.client, image.step.repository, str(one["digest"]), member)
    assert content is not None
    document = json.loads(content)
    assert document["spdxVersion"] == "SPDX-2.3"
    subject, system, *packages = document["packages"]
    assert subject["primaryPackagePurpose"] == "CONTAINER"
    assert (system["name"], system["versionInfo"]) == ("debian", "13")
    assert [package["externalRefs"][0]["referenceLocator"] for package in packages] == [
        "pkg:deb/debian/bash@5.2.37-2%2Bb5?arch=arm64&distro=debian-13&upstream=bash%405.2.37-2",
        "pkg:pypi/zope-interface@6.1",
    ]


def test_attesting_again_leaves_one_of_each(registry: RunningRegistry, tmp_path: Path) -> None:
    image = AttestedImage(registry, tmp_path, "twice")
    image.attest()
    image.attest()
    digest = index.compose(image.members).digest
    assert len(artifact.referrers(image.client, image.step.repository, digest)) == 1


def test_a_signature_is_what_cosign_looks_for(
    registry: RunningRegistry, tmp_path: Path, key: Path
) -> None:
    image = AttestedImage(registry, tmp_path, "signed")
    image.attest(signing.read_key(key))
    public = tmp_path / "public.pem"
    subprocess.run(
        ["openssl", "ec", "-in", key, "-pubout", "-out", public], check=True, capture_output=True
    )
    assert image.verify(signing.read_public_key(public))[0].good

    digest = index.compose(image.members).digest
    manifest = image.client.manifest(image.step.repository, digest.replace(":", "-") + ".sig")
    assert manifest is not None
    [layer] = manifest.document["layers"]
    assert layer["mediaType"] == SIMPLE_SIGNING
    payload = image.client.blob(image.step.repository, layer["digest"])
    critical = json.loads(payload)["critical"]
    assert critical["image"] == {"docker-manifest-digest": digest}
    assert critical["type"] == "cosign container image signature"
    (tmp_path / "payload").write_bytes(payload)
    (tmp_path / "signature").write_bytes(base64.b64decode(layer["annotations"][SIGNATURE]))
    said = subprocess.run(
        ["openssl", "dgst", "-sha256", "-verify", public,
         "-signature", tmp_path / "signature", tmp_path / "payload"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert said.stdout == "Verified OK\n"

    manifest = image.client.manifest(image.step.repository, digest.replace(":", "-") + ".att")
    assert manifest is not None
    [layer] = manifest.document["layers"]
    assert layer["annotations"]["predicateType"] == statement.PROVENANCE
    envelope = image.client.blob(image.step.repository, layer["digest"])
    assert b"slsa.dev" in signing.open_envelope(envelope, signing.read_public_key(public))


def test_another_key_and_no_signature_are_noticed(
    registry: RunningRegistry, tmp_path: Path, key: Path
) -> None:
    image = AttestedImage(registry, tmp_path, "wrong")
    own = signing.read_key(key)
    image.attest()
    assert not image.verify(own.public)[0].good
    image.attest(own)
    subprocess.run(
        ["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key],
        check=True,
    )
    finding = image.verify(signing.read_key(key).public)[0]
    assert not finding.good and "key" in finding.text


def test_a_statement_about_another_index_does_not_count(
    registry: RunningRegistry, tmp_path: Path
) -> None:
    image = AttestedImage(registry, tmp_path, "moved")
    image.attest()
    [told] = verification.statements(image.client, image.step.repository, "t")
    told["subject"][0]["digest"]["sha256"] = "0" * 64
    composed = index.compose(image.members)
    subject = artifact.ArtifactSubject(composed.digest, OCI_INDEX, len(composed.content))
    forged = artifact.Artifact(
        statement.MEDIA_TYPE,
        statement.MEDIA_TYPE,
        json.dumps(told).encode(),
        {artifact.PREDICATE: statement.PROVENANCE},
    )
    artifact.attach(image.client, image.step.repository, subject, forged)
    finding = image.verify()[0]
    assert not finding.good and "another index" in finding.text


def test_a_guests_image_is_verified_by_its_name(tmp_path: Path, key: Path) -> None:
    guest = {"name": "g", "source": {"path": "absent", "sha256": "0" * 64}}
    config = tmp_path / "kollarm.yml"
    config.write_text(yaml.safe_dump({"guests": [guest], "signing_key": "key.pem"}))
    words = ("attest", "verify", "g", "--json", "--config", config)
    missing = kollarm(*words)
    assert missing.status == 1
    assert "run kollarm guest prepare" in missing.document["findings"][0]["text"]

    made = tmp_path / ".kollarm" / "guests" / "g.qcow2"
    made.parent.mkdir(parents=True)
    made.write_bytes(b"an image")
    sha256 = file_digest(made)
    described = dataclasses.replace(preparation.record(tmp_path), sha256=sha256)
    provenance.write(described, made, preparation.STATUS)
    signatures.sign(made, sha256, signing.read_key(key))
    right = kollarm(*words)
    assert right.status == 0, right.stdout
    assert [one["what"] for one in right.document["findings"]] == [
        "provenance",
        "bill of materials",
        "signature",
        "signed provenance",
    ]
