"""cosign itself and kollarm verify what the other signed, in the versions that Debian has.

cosign speaks to Sigstore's public servers unless it is told otherwise; nothing here does.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from core import cache
from core.attestation import signing, verification
from core.config.model import AptArchive
from guestprep.archive.client import ArchiveClient
from guestprep.attestation import provenance, signatures
from tests.support import preparation
from tests.support.attested_image import AttestedImage
from tests.support.registries import RunningRegistry

pytestmark = pytest.mark.integration

PASSWORD = "a password of the test's"


class Cosign:
    """A version of cosign, with a key pair of its making in a folder."""

    def __init__(self, program: Path, folder: Path):
        self.program, self.folder = program, folder
        self.run("generate-key-pair")
        self.key, self.public = folder / "cosign.key", folder / "cosign.pub"

    def run(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.program, *words],
            cwd=self.folder,
            env=dict(os.environ) | {"HOME": str(self.folder), "COSIGN_PASSWORD": PASSWORD},
            capture_output=True,
            text=True,
            check=False,
        )

    def writes(self, command: str, *words: str | Path) -> None:
        """Sign or attest, telling no server of it."""
        help_text = self.run(command, "--help").stdout
        own = ["--use-signing-config=false"] if "--use-signing-config" in help_text else []
        done = self.run(
            command, "--key", self.key, "--yes", "--allow-insecure-registry",
            "--tlog-upload=false", *own, *words,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    def verifies(self, command: str, *words: str | Path, key: Path | None = None) -> bool:
        done = self.run(command, "--key", key or self.public, "--insecure-ignore-tlog", *words)
        return done.returncode == 0


@pytest.fixture(scope="module", params=["trixie", "sid"])
def program(request: pytest.FixtureRequest) -> Path:
    """cosign 2 as Debian 13 has it, and 3 as unstable has it, from the signed archive."""
    machine = subprocess.run(
        ["dpkg", "--print-architecture"], capture_output=True, text=True, check=True
    ).stdout.strip()
    archive = AptArchive(
        uri="http://deb.debian.org/debian",
        suite=request.param,
        components=["main"],
        keyring=Path("/usr/share/keyrings/debian-archive-keyring.gpg"),
        # An old list of unstable will do: nothing of it is installed.
        check_valid_until=False,
    )
    debian = ArchiveClient([archive], machine)
    package = debian.fetch(debian.candidates("cosign")[0])

    def unpack(folder: Path) -> None:
        subprocess.run(["dpkg", "-x", package, folder], check=True)

    name = f"cosign-{request.param}-{package.name[:20]}"
    return cache.entry("extracted", name, unpack) / "usr/bin/cosign"


@pytest.fixture
def cosign(program: Path, tmp_path: Path) -> Cosign:
    (tmp_path / "keys").mkdir()
    return Cosign(program, tmp_path / "keys")


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[RunningRegistry]:
    (tmp_path / "registry").mkdir()
    running = RunningRegistry(tmp_path / "registry")
    yield running
    running.stop()


@pytest.fixture
def image(registry: RunningRegistry, tmp_path: Path) -> AttestedImage:
    return AttestedImage(registry, tmp_path, "signed")


def reference(image: AttestedImage) -> str:
    return f"{image.client.address}/{image.step.repository}:t"


def new_key(path: Path) -> Path:
    """Another key, as a user makes it."""
    words: list[str | Path] = [
        "openssl",
        "ecparam",
        "-name",
        "prime256v1",
        "-genkey",
        "-noout",
        "-out",
        path,
    ]
    subprocess.run(words, check=True)
    return path


def test_cosign_verifies_what_kollarm_signs_with_cosigns_key(
    image: AttestedImage, cosign: Cosign
) -> None:
    own = signing.read_key(cosign.key, {signing.PASSWORD: PASSWORD})
    image.attest(own)
    options = ("--allow-insecure-registry", reference(image))
    assert cosign.verifies("verify", *options)
    assert cosign.verifies("verify-attestation", "--type", "slsaprovenance1", *options)
    assert all(finding.good for finding in image.verify(own.public))

    other = cosign.folder / "other.pub"
    key = new_key(cosign.folder / "other.pem")
    subprocess.run(["openssl", "ec", "-in", key, "-pubout", "-out", other], check=True)
    assert not cosign.verifies("verify", *options, key=other)


def test_kollarm_verifies_what_cosign_signs(
    image: AttestedImage, cosign: Cosign, tmp_path: Path
) -> None:
    key = signing.read_public_key(cosign.public)
    image.attest()
    before = {finding.what: finding for finding in image.verify(key)}
    assert not before["signature"].good and not before["provenance"].good

    digest = f"{reference(image).removesuffix(':t')}@{before['signature'].subject}"
    predicate = tmp_path / "predicate.json"
    [told] = verification.statements(image.client, image.step.repository, "t")
    predicate.write_text(json.dumps(told["predicate"]))
    cosign.writes("sign", digest)
    assert {finding.what: finding.good for finding in image.verify(key)}["signature"]
    cosign.writes("attest", "--type", "slsaprovenance1", "--predicate", predicate, digest)
    assert all(finding.good for finding in image.verify(key)), image.verify(key)

    # signed by both: neither takes away what the other wrote
    own = signing.read_key(cosign.key, {signing.PASSWORD: PASSWORD})
    another = signing.read_key(new_key(tmp_path / "second.pem"))
    image.attest(another)
    assert all(finding.good for finding in image.verify(another.public))
    assert all(finding.good for finding in image.verify(own.public))


def test_cosign_verifies_a_guest_image_and_its_provenance(cosign: Cosign, tmp_path: Path) -> None:
    made = tmp_path / "guest.qcow2"
    made.write_bytes(b"an image")
    described = dataclasses.replace(
        preparation.record(tmp_path), sha256=hashlib.sha256(made.read_bytes()).hexdigest()
    )
    provenance.write(described, made, preparation.STATUS)
    signatures.sign(
        made, described.sha256, signing.read_key(cosign.key, {signing.PASSWORD: PASSWORD})
    )
    signature, envelope = provenance.signature_path(made), provenance.envelope_path(made)
    assert cosign.verifies("verify-blob", "--signature", signature, made)
    told = ("verify-blob-attestation", "--type", "slsaprovenance1", "--signature", envelope, made)
    assert cosign.verifies(*told)
    made.write_bytes(b"another image")
    assert not cosign.verifies("verify-blob", "--signature", signature, made)
    assert not cosign.verifies(*told)
