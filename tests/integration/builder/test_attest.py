"""What is told of an index, in a real registry, by images of a real engine."""

from __future__ import annotations

import base64
import dataclasses
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from builder import attest, index
from builder.attest import Attestor, artifact
from builder.attest.cosign import SIGNATURE, SIMPLE_SIGNING
from builder.base_image import Base
from builder.engines.docker import DockerEngine
from builder.facts import ImageSource, RenderedImage
from builder.plan import BuildAction, BuildPlan, ImageStep, IndexStep, Target
from core.attestation import signing, spdx, statement
from core.attestation.finding import AttestationFinding
from core.cache import file_digest
from core.config.model import Architecture
from core.oci.model import RegistryImage
from core.oci.registry import OCI_INDEX, RegistryClient, RegistryError, digest_of
from guestprep.attestation import provenance, signatures
from tests.support.commands import kollarm
from tests.support.registries import RunningRegistry, context
from tests.unit.core.attestation.test_statements import record as prepared

pytestmark = pytest.mark.integration

X86, ARM = Architecture.X86_64, Architecture.AARCH64

STATUS = """\
Package: bash
Status: install ok installed
Architecture: {}
Version: 5.2.37-2+b5
Source: bash (5.2.37-2)

Package: gone
Status: deinstall ok config-files
Architecture: all
Version: 1
"""
METADATA = "Metadata-Version: 2.1\nName: Zope.Interface\nVersion: 6.1\n\nName: not-this\n"

DOCKERFILE = """\
FROM scratch
COPY status /var/lib/dpkg/status
COPY os-release /usr/lib/os-release
COPY METADATA /var/lib/kolla/venv/lib/python3.13/site-packages/zope-6.1.dist-info/METADATA
LABEL io.kollarm.key=key-{}
"""


class World:
    """An image of two architectures in a registry, and its plan."""

    def __init__(self, registry: RunningRegistry, folder: Path, name: str):
        self.engine, self.client = DockerEngine(), RegistryClient(registry.address)
        self.step = IndexStep(name, f"kolla/{name}", "t", (X86, ARM), BuildAction.WRITE, "")
        self.overlay = folder / "overlay"
        self.overlay.mkdir()
        (self.overlay / "overlay.yml").write_text("why: a test\n")
        self.members: dict[Architecture, RegistryImage] = {}
        steps = []
        for architecture in (X86, ARM):
            reference = f"{registry.address}/kolla/{name}:t-{architecture}"
            files = {
                "status": STATUS.format(architecture.debian).encode(),
                "os-release": b'NAME="Debian"\nID=debian\n',
                "METADATA": METADATA.encode(),
            }
            stream = context(DOCKERFILE.format(architecture), **files)
            self.engine.build(stream, reference, architecture)
            self.engine.push(reference)
            found = self.client.image(f"kolla/{name}", f"t-{architecture}")
            assert found is not None
            self.members[architecture] = found
            source = ImageSource(name, "url", "http://a.example/x.tar.gz", sha256="ab" * 32)
            rendered = RenderedImage(name, folder, None, name, source=source)
            target = Target(name, architecture, None, "k", reference, rendered, "")
            steps.append(ImageStep(target, BuildAction.PUSH, ""))
        self.plan = BuildPlan(
            release="2026.1",
            kolla_version="22.2.0",
            registry=registry.address,
            overlays=("mine",),
            images=tuple(steps),
            indices=(self.step,),
            bases=(),
        )

    def attest(self, key: signing.Key | None = None) -> None:
        overlays, engines = {"mine": self.overlay}, dict.fromkeys((X86, ARM), self.engine)
        [base] = {image.target.reference for image in self.plan.images[:1]}
        bases = [Base(X86, base, "key of the base")]
        request = {"release": "2026.1"}
        maker = Attestor(self.plan, self.client, overlays, bases, engines, request, key)
        content = index.compose(self.members)
        maker.attest(self.step, content, self.members, lambda step: self.engine)
        index.write(self.client, self.step.repository, "t", self.members)

    def verify(self, key: signing.PublicKey | None = None) -> list[AttestationFinding]:
        return attest.verify(self.client, self.step.repository, "t", key)


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


def test_an_index_is_told_of_and_verified(registry: RunningRegistry, tmp_path: Path) -> None:
    world = World(registry, tmp_path, "told")
    with pytest.raises(RegistryError, match="there is no index"):
        world.verify()
    index.write(world.client, world.step.repository, "t", world.members)
    assert [finding.good for finding in world.verify()] == [False, False, False]

    world.attest()
    findings = world.verify()
    assert all(finding.good for finding in findings), findings
    assert [finding.text for finding in findings] == [
        "about this index",
        "2 packages",
        "2 packages",
    ]

    [told] = attest.statements(world.client, world.step.repository, "t")
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
    assert world.client.referrers(world.step.repository, findings[0].subject) is None
    tag = findings[0].subject.replace(":", "-")
    assert world.client.index(world.step.repository, tag) is not None


def test_the_bill_of_materials_is_read_from_the_images_own_databases(
    registry: RunningRegistry, tmp_path: Path
) -> None:
    world = World(registry, tmp_path, "billed")
    world.attest()
    member = world.members[ARM].digest
    [one] = artifact.referrers(world.client, world.step.repository, member)
    assert one["artifactType"] == spdx.MEDIA_TYPE
    content = artifact.content_of(world.client, world.step.repository, str(one["digest"]), member)
    assert content is not None
    document = json.loads(content)
    assert document["spdxVersion"] == "SPDX-2.3"
    urls = [package["externalRefs"][0]["referenceLocator"] for package in document["packages"][1:]]
    assert urls == [
        "pkg:deb/debian/bash@5.2.37-2%2Bb5?arch=arm64",
        "pkg:pypi/zope-interface@6.1",
    ]


def test_telling_again_leaves_one_of_each(registry: RunningRegistry, tmp_path: Path) -> None:
    world = World(registry, tmp_path, "twice")
    world.attest()
    world.attest()
    digest = digest_of(index.compose(world.members))
    assert len(artifact.referrers(world.client, world.step.repository, digest)) == 1


def test_a_signature_is_what_cosign_looks_for(
    registry: RunningRegistry, tmp_path: Path, key: Path
) -> None:
    world = World(registry, tmp_path, "signed")
    world.attest(signing.read_key(key))
    public = tmp_path / "public.pem"
    subprocess.run(
        ["openssl", "ec", "-in", key, "-pubout", "-out", public], check=True, capture_output=True
    )
    assert world.verify(signing.read_public_key(public))[0].text == "signed with the key"

    digest = digest_of(index.compose(world.members))
    manifest = world.client.manifest(world.step.repository, digest.replace(":", "-") + ".sig")
    assert manifest is not None
    [layer] = manifest.document["layers"]
    assert layer["mediaType"] == SIMPLE_SIGNING
    payload = world.client.blob(world.step.repository, layer["digest"])
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

    manifest = world.client.manifest(world.step.repository, digest.replace(":", "-") + ".att")
    assert manifest is not None
    [layer] = manifest.document["layers"]
    assert layer["annotations"]["predicateType"] == statement.PROVENANCE
    envelope = world.client.blob(world.step.repository, layer["digest"])
    assert b"slsa.dev" in signing.open_envelope(envelope, signing.read_public_key(public))


def test_another_key_and_no_signature_are_noticed(
    registry: RunningRegistry, tmp_path: Path, key: Path
) -> None:
    world = World(registry, tmp_path, "wrong")
    own = signing.read_key(key)
    world.attest()
    assert world.verify(own.public)[0].text == "the statement isn't signed"
    world.attest(own)
    subprocess.run(
        ["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key],
        check=True,
    )
    finding = world.verify(signing.read_key(key).public)[0]
    assert not finding.good and finding.text == "the statement isn't signed with this key"


def test_a_statement_about_another_index_does_not_count(
    registry: RunningRegistry, tmp_path: Path
) -> None:
    world = World(registry, tmp_path, "moved")
    world.attest()
    [told] = attest.statements(world.client, world.step.repository, "t")
    told["subject"][0]["digest"]["sha256"] = "0" * 64
    content = index.compose(world.members)
    subject = artifact.Subject(digest_of(content), OCI_INDEX, len(content))
    forged = artifact.Artifact(
        statement.MEDIA_TYPE,
        statement.MEDIA_TYPE,
        json.dumps(told).encode(),
        {artifact.PREDICATE: statement.PROVENANCE},
    )
    artifact.attach(world.client, world.step.repository, subject, forged)
    assert world.verify()[0].text == "it is about another index"


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
    described = dataclasses.replace(prepared(tmp_path), sha256=sha256)
    provenance.write(described, made, STATUS.format("arm64"))
    signatures.sign(made, sha256, signing.read_key(key))
    right = kollarm(*words)
    assert right.status == 0, right.stdout
    assert [one["what"] for one in right.document["findings"]] == [
        "provenance",
        "bill of materials",
        "signature",
        "signed provenance",
    ]
