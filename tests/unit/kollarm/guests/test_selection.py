"""From the configuration to what Glance is to know, and to the cloud that is meant."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from core.config.load import parse
from core.config.model import Config
from core.errors import ConfigError
from guestprep.inspect import Identity
from guestprep.publish import Method, Replaced
from kollarm.guests import selection

SYSTEM = Identity("aarch64", "x", "ubuntu", "22.04", "ubuntu")

GUEST = {"name": "jammy", "source": {"path": "x.img", "sha256": "0" * 64}}

DEPLOY = {
    "vips": {"internal": "10.0.0.1"},
    "hosts": {"a": {"architecture": "aarch64", "groups": ["compute"]}},
}


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


def test_all_keys_of_a_guest_and_its_cloud_arrive(tmp_path: Path) -> None:
    given = config(
        tmp_path,
        cloud={
            "method": "web-download",
            "served_at": "http://mirror.example.org/guests/",
            "replaced": "rename",
            "check_properties": False,
        },
        guests=[
            GUEST
            | {"min_disk": 5, "min_ram": 512, "admin_user": "me", "visibility": "private"}
            | {"properties": {"hw_video_model": ""}}
        ],
    )
    spec = selection.publish_spec(given, given.guests[0], Path("/p/jammy 1.qcow2"), SYSTEM)
    assert (spec.name, spec.os_distro, spec.os_version) == ("jammy", "ubuntu", "22.04")
    assert (spec.os_admin_user, spec.min_disk, spec.min_ram) == ("me", 5, 512)
    assert (spec.visibility, spec.properties) == ("private", {"hw_video_model": ""})
    assert (spec.method, spec.replaced) == (Method.WEB_DOWNLOAD, Replaced.RENAME)
    assert spec.source_url == "http://mirror.example.org/guests/jammy%201.qcow2"
    assert not spec.check_properties


def test_a_file_that_nobody_looked_into_has_no_system(tmp_path: Path) -> None:
    guest = selection.of_file(tmp_path / "my.image.qcow2")
    spec = selection.publish_spec(Config(), guest, tmp_path / "my.image.qcow2", None)
    assert (spec.name, spec.os_distro, spec.os_admin_user) == ("my.image", None, None)
    assert (spec.method, spec.replaced) == (Method.AUTO, Replaced.HIDE)
    assert selection.of_file(tmp_path / "x.img", "y").name == "y"


def test_an_image_with_the_guest_agent_asks_nova_for_its_channel(tmp_path: Path) -> None:
    given = config(
        tmp_path,
        guests=[
            GUEST | {"guest_agent": True},
            GUEST | {"name": "own", "guest_agent": True, "properties": {"hw_qemu_guest_agent": ""}},
        ],
    )
    asked, own = (
        selection.publish_spec(given, guest, Path("/p/x.qcow2"), SYSTEM) for guest in given.guests
    )
    assert asked.properties == {"hw_qemu_guest_agent": "yes"}
    assert own.properties == {"hw_qemu_guest_agent": ""}


def test_web_download_without_an_address_is_a_contradiction(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        config(tmp_path, cloud={"method": "web-download"})
    assert "cloud.method" in (caught.value.details or "")


def test_the_deployed_cloud_is_used_without_being_told(
    tmp_path: Path, deployed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = config(tmp_path, deploy=DEPLOY)
    with pytest.raises(ConfigError, match="no cloud is named"):
        selection.cloud(given)
    post_deploy(deployed)
    assert selection.cloud(given).config.name == "kolla-admin"
    assert selection.cloud(given, "kolla-int").config.name == "kolla-int"
    # Whoever names another cloud means it.
    assert selection.cloud(given, "other").config.name == "other"
    assert selection.cloud(
        config(tmp_path, deploy=DEPLOY, cloud={"name": "other"})
    ).config.name == ("other")
    monkeypatch.setenv("OS_CLOUD", "other")
    assert selection.cloud(given).config.name == "other"


def test_a_release_without_clouds_yaml_has_its_script_named(tmp_path: Path, deployed: Path) -> None:
    (deployed / "admin-openrc.sh").touch()
    with pytest.raises(ConfigError, match="no cloud is named") as caught:
        selection.cloud(config(tmp_path, deploy=DEPLOY))
    assert str(deployed / "admin-openrc.sh") in (caught.value.hint or "")
