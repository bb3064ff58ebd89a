"""Naming a cloud, and what Glance's refusals turn into."""

from __future__ import annotations

import json
import os
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from keystoneauth1.exceptions import ConnectFailure

from core.errors import ConfigError
from guestprep.publish import connect
from guestprep.publish.cloud import GlanceError, refusal
from guestprep.publish.glance_json import image_of, operation
from guestprep.publish.model import RUN_MARK, PropertyChange
from guestprep.publish.run_marker import mine, sort
from tests.support.glance_images import image, without

CLOUDS = """
clouds:
  one: {auth_type: none, auth: {endpoint: "http://127.0.0.1:1"}}
  two: {auth_type: password, auth: {auth_url: "http://127.0.0.1:1"}}
"""


@pytest.fixture
def clouds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith("OS_")]:
        monkeypatch.delenv(name)
    path = tmp_path / "clouds.yaml"
    path.write_text(CLOUDS)
    return path


def test_a_cloud_is_named_or_comes_from_the_environment(
    clouds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert connect("one", clouds_yaml=clouds).config.name == "one"
    monkeypatch.setenv("OS_CLOUD", "one")
    assert connect(clouds_yaml=clouds).config.name == "one"


def test_no_cloud_or_an_unknown_one_is_a_configuration_error(clouds: Path) -> None:
    with pytest.raises(ConfigError, match="no cloud is named") as caught:
        connect(clouds_yaml=clouds)
    assert "one, two" in (caught.value.hint or "")
    with pytest.raises(ConfigError, match="three") as caught:
        connect("three", clouds_yaml=clouds)
    assert "one, two" in (caught.value.hint or "")


def test_glances_page_becomes_one_sentence() -> None:
    answer = requests.Response()
    answer.status_code = 403
    answer._content = (
        b"<html>\n <head>\n  <title>403 Forbidden</title>\n </head>\n <body>\n"
        b"  <h1>403 Forbidden</h1>\n  You are not authorized to complete publicize_image "
        b"action.<br /><br />\n\n\n </body>\n</html>"
    )
    error = refusal("POST", "/images", answer)
    assert error.message == (
        "Glance refused POST /images with 403: "
        "You are not authorized to complete publicize_image action."
    )
    assert "visibility: private" in (error.hint or "")
    assert not error.passing
    assert GlanceError("x", status=503).passing and GlanceError("x").passing


def test_a_patch_is_written_as_glance_wants_it() -> None:
    assert operation(PropertyChange("a/b~c", None, "1")) == {
        "op": "add",
        "path": "/a~1b~0c",
        "value": "1",
    }
    assert operation(PropertyChange("os_hidden", True, False))["op"] == "replace"
    assert operation(PropertyChange("gone", "1", None)) == {"op": "remove", "path": "/gone"}


def test_an_image_is_read_from_glances_json() -> None:
    data: dict[str, object] = {
        "id": "x", "status": "queued", "size": None, "os_hidden": True, "visibility": "public",
        "tags": [], "stores": "fs", "hw_disk_bus": "scsi", "min_disk": None,
    }  # fmt: skip
    found = image_of(json.loads(json.dumps(data)))
    assert found.hidden and found.digest is None and found.min_disk == 0
    assert found.properties == {"hw_disk_bus": "scsi"}


def test_a_live_upload_is_told_from_a_dead_one() -> None:
    machine, boot, pid, start = mine().split(".")
    marks = {
        1: mine(),
        2: f"{machine}.{boot}.{pid}.{int(start) + 1}",  # the id was used again
        3: f"{machine}.other.{pid}.{start}",  # before a reboot
        4: f"other.{boot}.{pid}.{start}",
        5: "nonsense",
    }
    images = [
        without(image(number, status="saving"), **{RUN_MARK: mark})
        for number, mark in marks.items()
    ]
    alive, gone = sort(images)
    assert alive == {"id1"}
    assert gone == {"id2", "id3"}
    assert sort([without(image(1), **{RUN_MARK: mine()})]) == (frozenset(), frozenset())


class _GivesUpEverySecond(socketserver.StreamRequestHandler):
    """Answers a connection's request; every second one of the server's gets no answer."""

    def handle(self) -> None:
        method = self.rfile.readline().split()[0].decode()
        while self.rfile.readline().strip():
            pass
        came = self.server.came  # type: ignore[attr-defined]
        came.append(method)
        if len(came) % 2:
            self.wfile.write(b"HTTP/1.0 204 No Content\r\n\r\n")


@pytest.fixture
def faltering() -> Iterator[tuple[str, list[str]]]:
    """The address of such a server, and the methods of the requests that came."""
    with socketserver.TCPServer(("127.0.0.1", 0), _GivesUpEverySecond) as server:
        came: list[str] = []
        server.came = came  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}", came
        server.shutdown()
        thread.join()


def test_only_a_get_is_repeated_after_a_closed_connection(
    faltering: tuple[str, list[str]], tmp_path: Path
) -> None:
    address, came = faltering
    clouds = tmp_path / "clouds.yaml"
    clouds.write_text(
        json.dumps({"clouds": {"one": {"auth_type": "none", "auth": {"endpoint": address}}}})
    )
    session = connect("one", clouds_yaml=clouds).session
    for _ in range(2):
        assert session.get(address).status_code == 204
    assert came == ["GET", "GET", "GET"]
    with pytest.raises(ConnectFailure):
        session.post(address, json={})
    assert came == ["GET", "GET", "GET", "POST"]
