"""``kollarm attest diff`` on images in a real registry."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from builder import index
from core.attestation import signing
from tests.support.attested_image import STATUS, AttestedImage
from tests.support.commands import Outcome, kollarm
from tests.support.registries import RunningRegistry

pytestmark = pytest.mark.integration

UPDATED = STATUS.replace("5.2.37-2+b5", "5.2.37-2+b6") + (
    "\nPackage: curl\nStatus: install ok installed\nArchitecture: {0}\nVersion: 8\n"
)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRegistry]:
    running = RunningRegistry(tmp_path_factory.mktemp("registry"))
    yield running
    running.stop()


def attest(registry: RunningRegistry, folder: Path, *words: str | Path) -> Outcome:
    config = folder / "kollarm.yml"
    config.write_text(yaml.safe_dump({"registry": {"address": registry.address}}))
    return kollarm("attest", *words, "--config", config)


def diff(registry: RunningRegistry, folder: Path, *words: str | Path) -> Outcome:
    return attest(registry, folder, "diff", *words)


def test_two_tags_are_compared(registry: RunningRegistry, tmp_path: Path) -> None:
    AttestedImage(registry, tmp_path, "told", "old").attest()
    AttestedImage(registry, tmp_path, "told", "new", UPDATED).attest()
    found = diff(registry, tmp_path, "old", "new", "told", "--json")
    assert found.status == 0, found.stderr
    assert [one["architecture"] for one in found.document["images"]] == ["amd64", "arm64"]
    for image in found.document["images"]:
        assert [one["name"] for one in image["added"]] == ["curl"]
        assert [(one["name"], *one["old"], *one["new"]) for one in image["changed"]] == [
            ("bash", "5.2.37-2+b5", "5.2.37-2+b6")
        ]
        assert image["removed"] == []
    bill = attest(registry, tmp_path, "bill", "told", "--tag", "new", "--arch", "x86_64")
    assert {"bash", "curl"} < {one["name"] for one in bill.document["packages"]}
    assert "arch=amd64" in bill.stdout and "arch=arm64" not in bill.stdout
    absent = attest(registry, tmp_path, "bill", "told", "--tag", "absent")
    assert absent.status == 1 and "absent" in absent.stderr
    text = diff(registry, tmp_path, "new", "old", "told")
    assert "- curl 8" in text.stdout
    same = diff(registry, tmp_path, "old", "old", "told")
    assert same.stdout.count("the same") == 2

    missing = diff(registry, tmp_path, "old", "absent", "told")
    assert missing.status == 1
    assert "absent" in missing.stdout


def test_a_missing_bill_is_no_empty_one(registry: RunningRegistry, tmp_path: Path) -> None:
    AttestedImage(registry, tmp_path, "bare", "old").attest()
    image = AttestedImage(registry, tmp_path, "bare", "new", UPDATED)
    index.write(image.client, image.step.repository, "new", index.compose(image.members))
    found = diff(registry, tmp_path, "old", "new", "bare", "--json")
    assert found.status == 1
    assert all("attest write" in one["fault"] for one in found.document["images"])


def test_only_signed_bills_count_with_a_key(registry: RunningRegistry, tmp_path: Path) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    key = signing.Key(private)
    public = tmp_path / "public.pem"
    public.write_bytes(
        private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    AttestedImage(registry, tmp_path, "sealed", "old").attest(key)
    AttestedImage(registry, tmp_path, "sealed", "new", UPDATED).attest(key)
    AttestedImage(registry, tmp_path, "sealed", "bare", UPDATED).attest()
    assert diff(registry, tmp_path, "old", "new", "sealed", "--key", public).status == 0
    assert diff(registry, tmp_path, "old", "bare", "sealed", "--key", public).status == 1
