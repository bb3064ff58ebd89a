"""What the doctor says of a cloud that answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.config.model import Cloud, Config, Guest, GuestSource
from kollarm.doctor import services
from tests.support.api_stand_in import standing_in
from tests.support.nova_hosts import MIXED, cloud


@pytest.mark.parametrize("labelled", [True, False])
def test_images_without_architecture_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, labelled: bool
) -> None:
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(tmp_path / "clouds.yaml"))
    guest = Guest(name="guest", source=GuestSource(path=tmp_path / "guest.qcow2"))
    config = Config(cloud=Cloud(name="stand-in"), guests=[guest], state_dir=tmp_path)
    image = {"id": "i", "status": "active", "disk_format": "qcow2", "container_format": "bare"}
    documents = cloud(MIXED, [], "hw:mem_page_size")
    documents["/images"] = {"images": [image | ({"architecture": "aarch64"} if labelled else {})]}
    with standing_in(documents, tmp_path, "image", "compute", "placement"):
        found = [finding.remedy or "" for finding in services.cloud(config)]
    named = [remedy for remedy in found if "image_metadata_prefilter" in remedy]
    assert len(named) == (0 if labelled else 1), found
