"""What a key signs, and which signed index counts for an image: on a real registry."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from builder.plan import BuildAction
from builder.reasons import BuildReason
from builder.record import State
from core.attestation import artifact, signing, spdx, statement, verification
from core.attestation.artifact import Artifact, ArtifactSubject
from core.config.model import Architecture
from core.oci.registry import OCI_INDEX, RegistryClient
from tests.support import signed_images
from tests.support.registries import RunningRegistry
from tests.support.signed_images import TAG, Machine, a_key

pytestmark = pytest.mark.integration

X86, ARM = Architecture.X86_64, Architecture.AARCH64


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRegistry]:
    running = RunningRegistry(tmp_path_factory.mktemp("registry"))
    yield running
    running.stop()


@pytest.fixture
def client(registry: RunningRegistry, tmp_path: Path) -> RegistryClient:
    return RegistryClient(registry.address)


def good(machine: Machine, name: str) -> bool:
    return all(finding.good for finding in machine.verify(name).values())


def forget(client: RegistryClient, repository: str, subject: ArtifactSubject) -> None:
    """Take away what is attested of a manifest, but not its signature."""
    nothing = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}
    for tag in (subject.tag(), subject.tag(".att")):
        client.put_manifest(repository, tag, json.dumps(nothing).encode(), OCI_INDEX)


def test_what_somebody_else_pushed_is_built_again(client: RegistryClient, tmp_path: Path) -> None:
    machine = Machine(client, tmp_path, a_key())
    machine.build("pushed-over")
    evil = signed_images.backdoor(client, "pushed-over", ARM)
    step = next(s for s in machine.plan("pushed-over").images if s.target.architecture is ARM)
    assert (step.action, step.reason) == (BuildAction.BUILD, BuildReason.NOT_OF_THIS_KEY)
    assert step.detail == evil
    machine.build("pushed-over")
    assert evil not in machine.members("pushed-over").values()
    assert good(machine, "pushed-over")


def test_a_fresh_checkout_with_the_key_knows_what_it_signed(
    client: RegistryClient, tmp_path: Path
) -> None:
    key = a_key()
    Machine(client, tmp_path / "one", key).build("checkout")
    fresh = Machine(client, tmp_path / "fresh", key)
    assert fresh.plan("checkout").idle
    evil = signed_images.backdoor(client, "checkout", X86)
    assert not fresh.plan("checkout").idle
    fresh.build("checkout")
    assert evil not in fresh.members("checkout").values() and good(fresh, "checkout")


def test_an_index_of_somebody_elses_is_not_kept(client: RegistryClient, tmp_path: Path) -> None:
    """Not even where the whole index was replaced, so that its members look unchanged."""
    key = a_key()
    Machine(client, tmp_path / "one", key).build("replaced")
    other = Machine(client, tmp_path / "other", a_key())
    evil = {signed_images.backdoor(client, "replaced", one) for one in Architecture}
    Machine(client, tmp_path / "evil", None).build("replaced")
    assert set(other.members("replaced").values()) == evil
    fresh = Machine(client, tmp_path / "fresh", key)
    plan = fresh.plan("replaced")
    assert {step.action for step in plan.images} == {BuildAction.BUILD}
    fresh.build("replaced")
    assert not evil & set(fresh.members("replaced").values())


def test_machines_with_one_key_join_their_architectures(
    client: RegistryClient, tmp_path: Path
) -> None:
    key = a_key()
    x86 = Machine(client, tmp_path / "x86", key, [X86])
    arm = Machine(client, tmp_path / "arm", key, [ARM])
    x86.build("joined")
    [record] = arm.build("joined")
    assert record.state is State.WRITTEN
    assert set(arm.members("joined")) == {"amd64", "arm64"} and good(arm, "joined")
    assert x86.plan("joined").idle and arm.plan("joined").idle


def test_an_entry_of_another_key_is_refused_with_its_digest(
    client: RegistryClient, tmp_path: Path
) -> None:
    x86 = Machine(client, tmp_path / "x86", a_key(), [X86])
    x86.build("mixed")
    foreign = x86.members("mixed")["amd64"]
    arm = Machine(client, tmp_path / "arm", a_key(), [ARM])
    [step] = arm.plan("mixed").indices
    assert step.action is BuildAction.REFUSE and foreign in step.detail
    [record] = arm.build("mixed")
    assert record.state is State.FAILED and foreign in (record.error or "")
    assert arm.members("mixed") == {"amd64": foreign}
    [record] = arm.build("mixed", keep=())
    assert record.state is State.WRITTEN and set(arm.members("mixed")) == {"arm64"}


def test_without_a_key_labels_count_as_before(client: RegistryClient, tmp_path: Path) -> None:
    Machine(client, tmp_path / "one", None).build("unsigned")
    assert Machine(client, tmp_path / "other", None).plan("unsigned").idle


def test_another_images_signed_index_does_not_count(client: RegistryClient, tmp_path: Path) -> None:
    machine = Machine(client, tmp_path, a_key())
    machine.build("memcached", "keystone")
    moved = client.manifest("kolla/memcached", TAG)
    assert moved is not None
    for reference in (TAG, *(moved.digest.replace(":", "-") + end for end in ("", ".sig", ".att"))):
        signed_images.copy(client, "kolla/memcached", "kolla/keystone", reference)
    findings = machine.verify("keystone")
    assert findings["provenance"].subject == moved.digest
    assert not findings["provenance"].good and "another image" in findings["provenance"].text
    assert not findings["signature"].good
    assert good(machine, "memcached")


def test_a_signed_index_under_another_tag_does_not_count(
    client: RegistryClient, tmp_path: Path
) -> None:
    machine = Machine(client, tmp_path, a_key())
    machine.build("tagged")
    index = client.manifest("kolla/tagged", TAG)
    assert index is not None and machine.key is not None
    client.put_manifest("kolla/tagged", "production", index.content, index.media_type)
    [provenance, *_] = verification.verify(
        client, "kolla/tagged", "production", machine.key.public, machine.newest
    )
    assert not provenance.good and "tag" in provenance.text


def test_an_older_signed_index_does_not_count(client: RegistryClient, tmp_path: Path) -> None:
    key = a_key()
    machine, seeing = (Machine(client, tmp_path / name, key) for name in ("one", "seeing"))
    machine.build("older")
    old = client.manifest("kolla/older", TAG)
    assert old is not None and good(seeing, "older")
    # as if it had been made long ago
    [said] = verification.statements(client, "kolla/older", TAG)
    said["predicate"]["runDetails"]["metadata"]["finishedOn"] = "2020-01-01T00:00:00Z"
    subject = ArtifactSubject(old.digest, OCI_INDEX, len(old.content))
    sealed = signing.seal(key, statement.MEDIA_TYPE, json.dumps(said).encode())
    forget(client, "kolla/older", subject)
    notes = {artifact.PREDICATE: statement.PROVENANCE}
    older = Artifact(statement.MEDIA_TYPE, signing.ENVELOPE, sealed, notes)
    artifact.attach(client, "kolla/older", subject, older)

    signed_images.backdoor(client, "older", ARM)
    machine.build("older")
    assert good(seeing, "older")
    client.put_manifest("kolla/older", TAG, old.content, old.media_type)
    finding = seeing.verify("older")["provenance"]
    assert finding.subject == old.digest
    assert not finding.good and "2020-01-01" in finding.text
    assert not machine.verify("older")["provenance"].good
    unknowing = Machine(client, tmp_path / "unknowing", key)
    assert unknowing.verify("older")["provenance"].good, "only memory tells"


def test_a_statement_of_another_type_does_not_count(client: RegistryClient, tmp_path: Path) -> None:
    machine = Machine(client, tmp_path, a_key())
    machine.build("typed")
    index = client.manifest("kolla/typed", TAG)
    assert index is not None and machine.key is not None
    subject = ArtifactSubject(index.digest, OCI_INDEX, len(index.content))
    [said] = verification.statements(client, "kolla/typed", TAG)
    forget(client, "kolla/typed", subject)
    for kind, document in (
        ("application/x-other", said),
        (statement.MEDIA_TYPE, said | {"_type": "https://example.org/Statement"}),
        (statement.MEDIA_TYPE, [said]),
    ):
        sealed = signing.seal(machine.key, kind, json.dumps(document).encode())
        notes = {artifact.PREDICATE: statement.PROVENANCE}
        wrong = Artifact(statement.MEDIA_TYPE, signing.ENVELOPE, sealed, notes)
        artifact.attach(client, "kolla/typed", subject, wrong)
        assert not machine.verify("typed")["provenance"].good, kind


def test_a_bill_that_the_statement_does_not_name(client: RegistryClient, tmp_path: Path) -> None:
    machine = Machine(client, tmp_path, a_key())
    machine.build("billed")
    member = client.image("kolla/billed", f"{TAG}-{ARM}")
    assert member is not None and machine.key is not None
    subject = ArtifactSubject(member.digest, member.media_type, member.manifest_size)
    invented = spdx.document(
        "x", member.digest.partition(":")[2], [spdx.BomPackage("deb", "x", "1")]
    )
    bill = Artifact(spdx.MEDIA_TYPE, spdx.MEDIA_TYPE, json.dumps(invented).encode())
    artifact.attach(client, "kolla/billed", subject, bill)

    def arm(key: signing.PublicKey | None) -> bool:
        findings = verification.verify(client, "kolla/billed", TAG, key)
        return next(one.good for one in findings if one.subject == member.digest)

    assert arm(None)
    assert not arm(machine.key.public)
