"""From the configuration to the metadata sent to Glance."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from core.config.load import parse
from core.config.model import Config
from core.errors import ConfigError
from guestprep.inspect import Identity
from guestprep.publish import Method, Replaced
from kollarm.guests import selection
from kollarm.guests.publishing import publish_spec

SYSTEM = Identity("aarch64", "x", "ubuntu", "22.04", "ubuntu")

GUEST = {"name": "jammy", "source": {"path": "x.img", "sha256": "0" * 64}}


def config(folder: Path, **sections: Any) -> Config:
    return parse(json.dumps({"guests": [GUEST], **sections}), folder / "kollarm.yml")


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
    spec = publish_spec(given, given.guests[0], Path("/p/jammy 1.qcow2"), SYSTEM)
    assert (spec.name, spec.os_distro, spec.os_version) == ("jammy", "ubuntu", "22.04")
    assert (spec.os_admin_user, spec.min_disk, spec.min_ram) == ("me", 5, 512)
    assert (spec.visibility, spec.properties) == ("private", {"hw_video_model": ""})
    assert (spec.method, spec.replaced) == (Method.WEB_DOWNLOAD, Replaced.RENAME)
    assert spec.source_url == "http://mirror.example.org/guests/jammy%201.qcow2"
    assert not spec.check_properties


def test_a_file_that_nobody_looked_into_has_no_system(tmp_path: Path) -> None:
    guest = selection.of_file(tmp_path / "my.image.qcow2")
    spec = publish_spec(Config(), guest, tmp_path / "my.image.qcow2", None)
    assert (spec.name, spec.os_distro, spec.os_admin_user) == ("my.image", None, None)
    assert (spec.method, spec.replaced) == (Method.AUTO, Replaced.HIDE)


def test_an_image_with_the_guest_agent_asks_nova_for_its_channel(tmp_path: Path) -> None:
    given = config(
        tmp_path,
        guests=[
            GUEST | {"guest_agent": True},
            GUEST | {"name": "own", "guest_agent": True, "properties": {"hw_qemu_guest_agent": ""}},
        ],
    )
    asked, own = (publish_spec(given, guest, Path("/p/x.qcow2"), SYSTEM) for guest in given.guests)
    assert asked.properties == {"hw_qemu_guest_agent": "yes"}
    assert own.properties == {"hw_qemu_guest_agent": ""}


def test_web_download_without_an_address_is_a_contradiction(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        config(tmp_path, cloud={"method": "web-download"})
    assert "cloud.method" in (caught.value.details or "")
