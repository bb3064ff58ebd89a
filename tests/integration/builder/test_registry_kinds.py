"""Indices and their attestations in registries that behave as the various products do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from builder.record import IndexRecord, State
from core.attestation import artifact
from core.config.model import Architecture
from core.oci.registry import RegistryClient, RegistryError
from tests.support import registry_kinds, signed_images
from tests.support.registries import RunningRegistry
from tests.support.registry_kinds import Behaviour, ListsReferrers, behaving
from tests.support.signed_images import TAG, Machine, a_key
from tests.support.stocked import put

pytestmark = pytest.mark.integration

ARM = Architecture.AARCH64


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRegistry]:
    running = RunningRegistry(tmp_path_factory.mktemp("registry"))
    yield running
    running.stop()


def whole(record: IndexRecord) -> bool:
    """Whether an index was written with all that these images can be attested with."""
    return record.state is State.WRITTEN and all("bill" in one for one in record.warnings)


@pytest.mark.parametrize(
    ("name", "behaviour"),
    [
        ("distribution", None),
        ("gitlab", registry_kinds.wants_subject_first),
        ("zot", ListsReferrers()),
        *(
            (f"artifactory-{status}", registry_kinds.refuses_referrers(status))
            for status in (400, 403, 405, 406, 501)
        ),
        ("ecr", registry_kinds.immutable_tags(400, "ImageTagAlreadyExistsException")),
        ("harbor", registry_kinds.immutable_tags(412, "PRECONDITION")),
    ],
)
def test_an_index_is_written_signed_and_kept(
    registry: RunningRegistry, tmp_path: Path, name: str, behaviour: Behaviour | None
) -> None:
    with behaving(registry, *([behaviour] if behaviour else [])) as client:
        machine = Machine(client, tmp_path, a_key())
        [record] = machine.build(name)
        assert whole(record), record
        assert set(machine.members(name)) == {"amd64", "arm64"}
        assert all(finding.good for finding in machine.verify(name).values())
        assert machine.plan(name).idle
        [again] = machine.build(name)
        assert again.state is State.KEPT


def test_attestations_that_are_not_taken_are_written_later(
    registry: RunningRegistry, tmp_path: Path
) -> None:
    with behaving(registry, registry_kinds.takes_no_artifacts) as client:
        machine = Machine(client, tmp_path, None)
        [record] = machine.build("plain")
        assert record.state is State.WRITTEN
        [warning] = [one for one in record.warnings if "bill" not in one]
        assert "kollarm attest write" in warning and "registry.attest" in warning
        assert set(machine.members("plain")) == {"amd64", "arm64"}
        assert machine.plan("plain").idle
    direct = Machine(RegistryClient(registry.address), tmp_path, None)
    assert not direct.verify("plain")["provenance"].good
    [record] = direct.build("plain", attest=True)
    assert record.state is State.KEPT
    assert direct.verify("plain")["provenance"].good


def test_a_signature_needs_no_artifacts(registry: RunningRegistry, tmp_path: Path) -> None:
    with behaving(registry, registry_kinds.takes_no_artifacts) as client:
        machine = Machine(client, tmp_path, a_key())
        [record] = machine.build("plainly-signed")
        assert record.state is State.WRITTEN
        assert all(finding.good for finding in machine.verify("plainly-signed").values())


def test_a_redirected_list_of_referrers_is_none(registry: RunningRegistry, tmp_path: Path) -> None:
    with registry_kinds.overloaded() as (address, asked):
        elsewhere = registry_kinds.sends_referrers_to(address)
        with behaving(registry, elsewhere) as client:
            machine = Machine(client, tmp_path, a_key())
            [record] = machine.build("ghcr")
            assert whole(record)
            assert all(finding.good for finding in machine.verify("ghcr").values())
        assert asked == []


def test_a_server_elsewhere_is_not_waited_for(registry: RunningRegistry) -> None:
    def blobs_elsewhere(request: registry_kinds.Request) -> registry_kinds.Reply | None:
        if "/blobs/sha256:" not in request.path:
            return None
        return registry_kinds.Reply(307, headers={"Location": f"http://{address}/blob"})

    with registry_kinds.overloaded() as (address, asked), behaving(registry, blobs_elsewhere) as it:
        with pytest.raises(RegistryError, match="429"):
            it.blob("kolla/base", "sha256:" + "a" * 64)
        assert len(asked) == 1


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, "ImageTagAlreadyExistsException"), (403, "TAG_INVALID"), (412, "PRECONDITION")],
)
def test_a_tag_that_cannot_change_is_named(
    registry: RunningRegistry, tmp_path: Path, status: int, code: str
) -> None:
    name = f"immutable-{status}"
    with behaving(registry, registry_kinds.immutable_tags(status, code)) as client:
        machine = Machine(client, tmp_path, None)
        machine.build(name)
        put(client, f"kolla/{name}", "other", ARM, "other", b"other")
        other = client.manifest(f"kolla/{name}", "other")
        assert other is not None
        with pytest.raises(RegistryError, match=code) as caught:
            client.put_manifest(f"kolla/{name}", TAG, other.content, other.media_type)
        assert caught.value.hint is not None and "build.tag" in caught.value.hint


def test_other_tools_statements_are_left_alone(registry: RunningRegistry, tmp_path: Path) -> None:
    """The list of a registry may hold artifacts that kollarm doesn't know."""
    with behaving(registry, ListsReferrers()) as client:
        machine = Machine(client, tmp_path, a_key())
        machine.build("shared")
        index = client.index("kolla/shared", TAG)
        assert index is not None
        subject = artifact.ArtifactSubject(index.digest, index.media_type, 1)
        foreign = artifact.Artifact("application/x-scan", "application/json", b"[]")
        artifact.attach(client, "kolla/shared", subject, foreign)
        assert all(finding.good for finding in machine.verify("shared").values())
        assert machine.plan("shared").idle
        evil = signed_images.backdoor(client, "shared", ARM)
        machine.build("shared")
        assert evil not in machine.members("shared").values()
