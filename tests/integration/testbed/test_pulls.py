"""Looking up what hosts pull in a real registry."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.config.model import Architecture
from core.errors import KollarmError
from core.oci.registry import OCI_INDEX, OCI_MANIFEST, RegistryClient
from testbed.pulls import look_up
from tests.support import stocked
from tests.support.registries import RunningRegistry

pytestmark = pytest.mark.integration

X86, ARM = Architecture.X86_64, Architecture.AARCH64


def test_each_architecture_has_its_own_layers(tmp_path: Path) -> None:
    registry = RunningRegistry(tmp_path)
    try:
        client = RegistryClient(registry.address)
        entries = []
        for architecture in (X86, ARM):
            stocked.put(client, "kolla/cron", f"t-{architecture}", architecture, "k" * 64)
            manifest = client.manifest("kolla/cron", f"t-{architecture}")
            assert manifest is not None
            entries.append(
                {
                    "mediaType": OCI_MANIFEST,
                    "digest": manifest.digest,
                    "size": len(manifest.content),
                    "platform": {"os": "linux", "architecture": architecture.oci},
                }
            )

        def write(*members: dict[str, object]) -> int:
            index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": members}
            content = json.dumps(index).encode()
            client.put_manifest("kolla/cron", "t", content, OCI_INDEX)
            return len(content)

        size = write(*entries)
        x86, arm = (look_up(client, "kolla/cron", "t", one) for one in (X86, ARM))
        assert len(x86.layers) == len(arm.layers) == 1
        assert x86.layers != arm.layers
        assert x86.documents > size

        write(entries[0])
        look_up(client, "kolla/cron", "t", X86)
        with pytest.raises(KollarmError, match="aarch64"):
            look_up(client, "kolla/cron", "t", ARM)
    finally:
        registry.stop()
