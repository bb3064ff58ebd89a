"""The embedded registry and Glance as they really run."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest
import requests

from core.config.model import Registry
from core.errors import ConfigError, KollarmError
from core.processes import start_time
from guestprep.publish import connect
from guestprep.publish.cloud import Glance
from kollarm.services import ports
from kollarm.services.glance import EmbeddedGlance
from kollarm.services.registry import EmbeddedRegistry
from tests.support import neighbour
from tests.support.daemons import embedded_registry
from tests.support.servers import free_port

pytestmark = pytest.mark.integration


def kill(pid: int) -> None:
    """Kill a process and wait until it is gone; others of its group stay."""
    os.kill(pid, signal.SIGKILL)
    while start_time(pid):
        time.sleep(0.01)


def test_a_killed_registrys_folder_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as short:  # as sockets are made in it
        monkeypatch.setenv("TMPDIR", short)
        registry = embedded_registry(tmp_path, free_port())
        registry.start()
        pid = registry.running()
        assert pid
        kill(pid)
        [left] = Path(short).iterdir()
        os.utime(left, (0, 0))
        registry.start()
        [own] = Path(short).iterdir()
        assert own != left
        registry.stop()
        assert not list(Path(short).iterdir())


def push(registry: EmbeddedRegistry) -> str:
    """Push a blob by the registry's HTTP API; return its digest."""
    base = f"http://{registry.address}/v2/test/blobs/uploads/"
    place = requests.post(base, timeout=10).headers["Location"]
    digest = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    answer = requests.put(place, params={"digest": digest}, data=b"hello", timeout=10)
    assert answer.status_code == 201
    return digest


def test_the_registry_keeps_its_data_over_a_kill_and_a_stop(tmp_path: Path) -> None:
    registry = embedded_registry(tmp_path, free_port())
    assert registry.start()
    blob = f"http://{registry.address}/v2/test/blobs/{push(registry)}"
    pid = registry.running()
    assert pid
    kill(pid)
    assert registry.start()
    assert requests.get(blob, timeout=10).content == b"hello"
    assert registry.stop()
    assert registry.running() is None
    assert registry.start()
    assert requests.get(blob, timeout=10).content == b"hello"
    # What is replaced can be removed.
    assert requests.delete(blob, timeout=10).status_code == 202
    registry.stop()


def test_the_registry_is_found_again_by_another_process(tmp_path: Path) -> None:
    port = free_port()
    code = (
        "from pathlib import Path; from tests.support.daemons import embedded_registry; "
        f"print(embedded_registry(Path({str(tmp_path)!r}), {port}).start())"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.strip()
        for _ in range(2)
    ]
    assert runs == ["True", "False"]
    embedded_registry(tmp_path, port).stop()


def test_two_runs_at_once_start_one_registry(tmp_path: Path) -> None:
    port = free_port()
    code = (
        "from pathlib import Path; from tests.support.daemons import embedded_registry; "
        f"print(embedded_registry(Path({str(tmp_path)!r}), {port}).start())"
    )
    runs = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    assert sorted(run.communicate()[0].strip() for run in runs) == ["False", "True"]
    embedded_registry(tmp_path, port).stop()


def test_a_port_of_another_program_is_named(registry: EmbeddedRegistry, tmp_path: Path) -> None:
    other = embedded_registry(tmp_path, registry.port)
    with pytest.raises(KollarmError, match=f"port {registry.port}") as caught:
        other.start()
    assert "registry.address" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "localhost"}, 200),
        ({"Host": "evil.example:5055"}, 403),
        ({"Host": "127.0.0.1.evil.example"}, 403),
        ({"Host": ""}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
def test_the_registry_answers_no_web_page(
    registry: EmbeddedRegistry, headers: dict[str, str], status: int
) -> None:
    answer = requests.get(f"http://{registry.address}/v2/", headers=headers, timeout=10)
    assert answer.status_code == status


def test_the_registry_ends_with_what_stands_before_it(tmp_path: Path) -> None:
    registry = embedded_registry(tmp_path, free_port())
    registry.start()
    pid = registry.running()
    assert pid
    started = psutil.Process(pid).children(recursive=True)
    assert any("docker-registry" in one.name() for one in started)
    kill(pid)
    assert not psutil.wait_procs(started, timeout=20)[1]


def test_a_request_head_without_end_is_given_up(registry: EmbeddedRegistry) -> None:
    with socket.create_connection((registry.host, registry.port), timeout=20) as client:
        client.sendall(b"GET /v2/ HTTP/1.1\r\nHost: 127.0.0.1\r\n")
        with contextlib.suppress(OSError):
            for _ in range(200):
                client.sendall(b"X: " + b"x" * 1000 + b"\r\n")
            assert client.recv(1) == b""


def test_an_address_without_a_port_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="localhost"):
        EmbeddedRegistry(Registry(embedded=True, address="localhost"), tmp_path)


def test_a_missing_program_is_named_with_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kollarm.services.registry.which", lambda _: None)
    with pytest.raises(KollarmError, match="docker-registry") as caught:
        embedded_registry(tmp_path, free_port()).start()
    assert "docker-registry" in (caught.value.hint or "")


def test_glance_offers_what_a_cloud_offers(glance: EmbeddedGlance) -> None:
    connection = connect(glance.cloud, clouds_yaml=glance.clouds_yaml)
    assert {"glance-direct", "web-download"} <= set(Glance(connection).import_methods())
    namespaces = connection.image.get("/metadefs/namespaces?limit=100").json()["namespaces"]
    assert "OS::Compute::LibvirtImage" in {space["namespace"] for space in namespaces}


def test_glance_answers_again_after_a_kill(glance: EmbeddedGlance) -> None:
    connection = connect(glance.cloud, clouds_yaml=glance.clouds_yaml)
    made = Glance(connection).create(
        {"name": "kept", "disk_format": "raw", "container_format": "bare"}, {}, hidden=False
    )
    assert not glance.start()
    master = glance.running()
    assert master
    workers = psutil.Process(master).children()
    # Only the master: its worker still holds the port when the next run begins.
    kill(master)
    assert glance.start()
    assert workers and not any(start_time(worker.pid) for worker in workers)
    assert Glance(connection).get(made.id).name == "kept"
    assert (glance.clouds_yaml.stat().st_mode & 0o777) == 0o600


def test_a_glance_that_cannot_start_shows_its_log(tmp_path: Path) -> None:
    broken = EmbeddedGlance(tmp_path, free_port())
    broken.layout.database.mkdir(parents=True)
    (broken.layout.folder / "images").write_text("in the way")
    with pytest.raises((KollarmError, FileExistsError)):
        broken.start()
    assert broken.running() is None


def test_keystone_has_no_password_that_everybody_knows(cloud: EmbeddedGlance) -> None:
    assert cloud.keystone_url is not None
    attempts: list[neighbour.Attempt] = [
        ("gets_token", [cloud.keystone_url, "admin", password, "admin"])
        for password in (neighbour.KNOWN_PASSWORD, cloud.password("admin"))
    ]
    assert neighbour.successes(attempts) == attempts[1:]


def test_another_user_reads_nothing_of_a_service(
    glance: EmbeddedGlance, registry: EmbeddedRegistry, cloud: EmbeddedGlance
) -> None:
    for folder in (glance.layout.folder, registry.folder, cloud.keystone_folder):
        # The folder's own mode, whatever those above it have.
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert neighbour.successes(neighbour.files_below(folder)) == []
        log = (folder / "log").stat()
        assert stat.S_IMODE(log.st_mode) == 0o600


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:9292"},
        {"Host": "127.0.0.1.evil.example:80"},
        {"Host": ""},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
    ],
)
def test_glance_answers_no_web_page(glance: EmbeddedGlance, headers: dict[str, str]) -> None:
    session = requests.Session()
    session.trust_env = False
    assert session.get(f"{glance.url}/v2/images", timeout=30).ok
    assert session.get(f"{glance.url}/v2/images", headers=headers, timeout=30).status_code >= 400


@pytest.mark.parametrize("name", ["with blank", "dol$lar", "per%20cent ?q#h", "über"])
def test_glance_runs_in_a_folder_of_any_name(tmp_path: Path, name: str) -> None:
    service = EmbeddedGlance(tmp_path / name, free_port())
    service.start()
    try:
        glance = Glance(connect(service.cloud, clouds_yaml=service.clouds_yaml))
        facts = {"name": "x", "disk_format": "raw", "container_format": "bare"}
        image = glance.create(facts, {}, hidden=False)
        with requests.Session() as session:
            session.trust_env = False
            url = f"{service.url}/v2/images/{image.id}/file"
            binary = {"Content-Type": "application/octet-stream"}
            assert session.put(url, b"content", headers=binary, timeout=60).ok
            assert (service.layout.images / image.id).read_bytes() == b"content"
            assert service.stop() and service.start()
            assert session.get(url, timeout=60).content == b"content"
    finally:
        service.stop()


def test_keystone_knows_who_asks(cloud: EmbeddedGlance) -> None:
    refused = ports.get(f"{cloud.url}/v2/images")
    assert refused is not None and refused.status_code == 401
    connection = connect(cloud.cloud, clouds_yaml=cloud.clouds_yaml)
    assert connection.current_project.name == "admin"
    assert connection.session.get_endpoint(service_type="image") == cloud.url
