"""The cloud of a configuration: named, deployed from it, or of the environment."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from core.config.load import parse
from core.config.model import Config
from core.errors import ConfigError
from kollarm.doctor import services
from kollarm.doctor.model import Level
from kollarm.guests.cloud import cloud_for

DEPLOY = {
    "vips": {"internal": "10.0.0.1"},
    "hosts": {"a": {"architecture": "aarch64", "groups": ["compute"]}},
}

GUEST = {"name": "jammy", "source": {"path": "x.img", "sha256": "0" * 64}}


def config(folder: Path, **sections: Any) -> Config:
    return parse(json.dumps({"guests": [GUEST], **sections}), folder / "kollarm.yml")


@pytest.fixture
def deployed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The configuration folder of a cloud that was deployed from here."""
    for name in [name for name in os.environ if name.startswith("OS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(tmp_path / "usual.yaml"))
    (tmp_path / "usual.yaml").write_text(
        'clouds: {other: {auth_type: none, auth: {endpoint: "http://127.0.0.1:1"}}}'
    )
    folder = tmp_path / ".kollarm/deploy"
    folder.mkdir(parents=True)
    return folder


def post_deploy(folder: Path) -> None:
    cloud = '{auth_type: none, auth: {endpoint: "http://127.0.0.1:2"}}'
    (folder / "clouds.yaml").write_text(f"clouds: {{kolla-admin: {cloud}, kolla-int: {cloud}}}")


def test_the_deployed_cloud_is_used_without_being_told(
    tmp_path: Path, deployed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = config(tmp_path, deploy=DEPLOY)
    with pytest.raises(ConfigError, match="no cloud is named"):
        cloud_for(given)
    post_deploy(deployed)
    assert cloud_for(given).config.name == "kolla-admin"
    assert cloud_for(given, "kolla-int").config.name == "kolla-int"
    # Whoever names another cloud means it.
    assert cloud_for(given, "other").config.name == "other"
    assert cloud_for(config(tmp_path, deploy=DEPLOY, cloud={"name": "other"})).config.name == (
        "other"
    )
    monkeypatch.setenv("OS_CLOUD", "other")
    assert cloud_for(given).config.name == "other"


def test_a_release_without_clouds_yaml_has_its_script_named(tmp_path: Path, deployed: Path) -> None:
    (deployed / "admin-openrc.sh").touch()
    with pytest.raises(ConfigError, match="no cloud is named") as caught:
        cloud_for(config(tmp_path, deploy=DEPLOY))
    assert str(deployed / "admin-openrc.sh") in (caught.value.hint or "")


def test_the_doctor_finds_the_deployed_cloud(
    tmp_path: Path, deployed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    post_deploy(deployed)
    glance = SimpleNamespace(import_methods=list, find=lambda **_: [])
    monkeypatch.setattr(services, "Glance", lambda connection: glance)
    [finding] = services.cloud(config(tmp_path, deploy=DEPLOY))
    assert finding.level is Level.GOOD
    assert finding.subject == "cloud kolla-admin"


def test_a_cloud_that_no_one_names_is_a_finding(tmp_path: Path, deployed: Path) -> None:
    [finding] = services.cloud(config(tmp_path))
    assert finding.level is Level.MISSING
    assert finding.remedy
