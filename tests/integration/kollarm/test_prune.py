"""``kollarm prune`` on a real registry: what no index names goes, everything else stays."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from core.attestation import artifact, spdx
from core.attestation.artifact import Artifact, ArtifactSubject
from core.config.model import Config
from core.oci.manifest import OCI_INDEX, OCI_MANIFEST, digest_of
from core.oci.registry import RegistryClient
from kollarm.services.registry import EmbeddedRegistry
from tests.support.commands import Outcome, kollarm
from tests.support.registries import RunningRegistry
from tests.support.servers import free_port

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRegistry]:
    running = RunningRegistry(tmp_path_factory.mktemp("registry"))
    yield running
    running.stop()


def prune(registry: RunningRegistry, folder: Path, *words: str) -> Outcome:
    config = folder / "kollarm.yml"
    settings = {"registry": {"address": registry.address}, "build": {"tag": "now"}}
    config.write_text(yaml.safe_dump(settings))
    return kollarm("prune", *words, "--config", config)


class FilledRepository:
    """A repository as builds leave it."""

    def __init__(self, registry: RunningRegistry | EmbeddedRegistry, name: str):
        self.client, self.name = RegistryClient(registry.address), f"kolla/{name}"

    def image(self, content: str, tag: str = "", layer: str = "") -> str:
        """An image of at most one layer, under a tag or none; returns its digest."""
        kind = "application/vnd.oci.image.layer.v1.tar"
        config = self.client.put_blob(self.name, json.dumps({"note": content}).encode())
        descriptor = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": config}
        manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": OCI_MANIFEST,
                "config": descriptor | {"size": len(json.dumps({"note": content}))},
                "layers": [{"mediaType": kind, "digest": layer, "size": 1 << 20}] if layer else [],
            }
        ).encode()
        digest = digest_of(manifest)
        return self.client.put_manifest(self.name, tag or digest, manifest, OCI_MANIFEST)

    def index(self, *members: str, tag: str = "") -> str:
        """An index over images, under a tag or none, with a statement; returns its digest."""
        entries = []
        for digest, architecture in zip(members, ("amd64", "arm64"), strict=False):
            manifest = self.client.manifest(self.name, digest)
            assert manifest is not None
            entries.append(
                {
                    "mediaType": OCI_MANIFEST,
                    "digest": digest,
                    "size": len(manifest.content),
                    "platform": {"os": "linux", "architecture": architecture},
                }
            )
        content = json.dumps(
            {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}
        ).encode()
        digest = digest_of(content)
        self.client.put_manifest(self.name, tag or digest, content, OCI_INDEX)
        self.attest(digest, len(content))
        return digest

    def attest(self, digest: str, size: int) -> None:
        subject = ArtifactSubject(digest, OCI_INDEX, size)
        bill = Artifact(spdx.MEDIA_TYPE, spdx.MEDIA_TYPE, f"about {digest}".encode())
        artifact.attach(self.client, self.name, subject, bill)

    def there(self, *digests: str) -> list[bool]:
        return [self.client.manifest(self.name, one) is not None for one in digests]

    def attestations(self, digest: str) -> list[str]:
        return [one["digest"] for one in artifact.referrers(self.client, self.name, digest)]


def test_only_what_no_index_names_is_removed(registry: RunningRegistry, tmp_path: Path) -> None:
    filled = FilledRepository(registry, "cron")
    shared = filled.image("unchanged", "now-x86_64")
    replaced = filled.image("the arm64 of yesterday")
    yesterday = filled.index(shared, replaced)
    current = filled.image("the arm64 of today", "now-aarch64")
    today = filled.index(shared, current, tag="now")
    kept_release = filled.index(filled.image("2025.2", "2025.2-aarch64"), tag="2025.2")
    gone = filled.image("2024.1", "2024.1-aarch64")
    own = filled.image("somebody's own", "mine")
    named_twice = filled.image("promoted", "2023.1-aarch64")
    filled.image("promoted", "promoted")
    building = filled.image("not joined yet", "now-aarch64")
    lost = filled.attestations(yesterday)
    assert len(lost) == 1
    elsewhere = FilledRepository(registry, "elsewhere")
    untouched = elsewhere.image("another", "2024.1-aarch64")

    listed = prune(registry, tmp_path, "cron", "--json")
    assert listed.status == 0, listed.stderr
    by_reason = {
        reason: {one["digest"] for one in listed.document["removals"] if one["reason"] == reason}
        for reason in ("member", "index", "attestation")
    }
    assert by_reason["member"] == {replaced, gone}
    assert by_reason["index"] == {yesterday}
    assert by_reason["attestation"] >= set(lost)
    assert all(filled.there(yesterday, replaced, gone)), "a plan removes nothing"

    assert prune(registry, tmp_path, "cron", "--yes").status == 0
    assert not any(filled.there(yesterday, replaced, gone, *lost))
    assert not filled.attestations(yesterday)
    assert all(filled.there(shared, current, today, kept_release, own, named_twice, building))
    assert len(filled.attestations(today)) == len(filled.attestations(kept_release)) == 1
    assert elsewhere.there(untouched) == [True]

    again = prune(registry, tmp_path, "cron", "--json")
    assert again.document["removals"] == []


def test_what_an_interrupted_run_left_is_removed(registry: RunningRegistry, tmp_path: Path) -> None:
    filled = FilledRepository(registry, "cut")
    old = filled.index(filled.image("old"))
    filled.index(filled.image("new", "now-x86_64"), tag="now")
    lost = filled.attestations(old)
    filled.client.delete_manifest(filled.name, old)
    assert prune(registry, tmp_path, "cut", "--yes").status == 0
    assert not any(filled.there(*lost))
    assert set(filled.client.tags(filled.name)) >= {"now", "now-x86_64"}
    assert not filled.attestations(old)


def test_a_registry_that_deletes_nothing_is_named(tmp_path: Path) -> None:
    storage = {"filesystem": {"rootdirectory": str(tmp_path / "data")}}
    registry = RunningRegistry(tmp_path / "registry", storage=storage)
    try:
        filled = FilledRepository(registry, "cron")
        gone = filled.image("2024.1", "2024.1-aarch64")
        refused = prune(registry, tmp_path, "cron", "--yes")
        assert refused.status == 1
        assert "storage.delete.enabled" in refused.stderr
        assert filled.there(gone) == [True]
    finally:
        registry.stop()


def test_the_embedded_registry_frees_the_space(tmp_path: Path) -> None:
    config = Config.model_validate(
        {"state_dir": tmp_path / ".kollarm", "build": {"tag": "now"},
         "registry": {"embedded": True, "address": f"127.0.0.1:{free_port()}"}}
    )  # fmt: skip
    registry = EmbeddedRegistry(config.registry, config.state_dir)
    registry.start()
    try:
        filled = FilledRepository(registry, "cron")
        large = filled.client.put_blob(filled.name, bytes(1 << 20))
        gone = filled.image("old", "2024.1-aarch64", layer=large)
        kept = filled.image("new", "now-aarch64")
        today = filled.index(kept, tag="now")
        path = tmp_path / "kollarm.yml"
        path.write_text(config.model_dump_json())
        done = kollarm("prune", "cron", "--yes", "--config", path)
        assert done.status == 0, done.stderr
        assert filled.there(gone, kept, today) == [False, True, True]
        assert len(filled.attestations(today)) == 1
        data = registry.folder / "data"
        assert sum(one.stat().st_size for one in data.rglob("data")) < 1 << 20
    finally:
        registry.stop()


@pytest.mark.parametrize("name", ["../x", "a/b", "A", "", "x:1"])
def test_names_of_no_image_are_refused(
    registry: RunningRegistry, tmp_path: Path, name: str
) -> None:
    assert prune(registry, tmp_path, name).status == 2
