"""Where engines are looked for, and what Podman is asked."""

from __future__ import annotations

import hashlib
import socket
from pathlib import Path

import pytest

from builder.engines import places, podman
from builder.engines.protocol import EngineError


@pytest.fixture(autouse=True)
def nothing_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "CONTAINER_HOST", "DOCKER_TLS_VERIFY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr(places, "SOCKET", f"unix://{tmp_path}/docker.sock")


def listening(path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


def test_the_order_in_which_an_engine_is_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listening(tmp_path / "podman/podman.sock")
    assert places.local().host == f"unix://{tmp_path}/podman/podman.sock"
    listening(tmp_path / "docker.sock")
    assert places.local().host == f"unix://{tmp_path}/docker.sock"
    assert places.podman().host == f"unix://{tmp_path}/podman/podman.sock"
    monkeypatch.setenv("CONTAINER_HOST", "tcp://c.example:1")
    assert places.podman().host == "tcp://c.example:1"
    (tmp_path / "config.json").write_text('{"currentContext": "nowhere"}')
    with pytest.raises(EngineError, match="nowhere"):
        places.local()
    monkeypatch.setenv("DOCKER_HOST", "tcp://d.example:1")
    assert places.local().host == "tcp://d.example:1"
    assert places.local().environ["DOCKER_HOST"] == "tcp://d.example:1"


def test_a_contexts_certificates_are_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = hashlib.sha256(b"far").hexdigest()
    described = tmp_path / "contexts/meta" / digest / "meta.json"
    described.parent.mkdir(parents=True)
    described.write_text('{"Endpoints": {"docker": {"Host": "tcp://far.example:2376"}}}')
    monkeypatch.setenv("DOCKER_CONTEXT", "far")
    found = places.local()
    assert (found.host, found.tls) == ("tcp://far.example:2376", None)
    files = tmp_path / "contexts/tls" / digest / "docker"
    files.mkdir(parents=True)
    for name in ("ca.pem", "cert.pem", "key.pem"):
        (files / name).touch()
    found = places.local()
    assert found.tls is not None and found.tls.ca_cert == str(files / "ca.pem")
    # and for the docker command, by the variables that win over a context
    assert found.environ["DOCKER_HOST"] == "tcp://far.example:2376"
    assert found.environ["DOCKER_CERT_PATH"] == str(files)


@pytest.mark.parametrize("content", ["", "[]", '"x"', "{", '{"currentContext": "default"}'])
def test_a_strange_configuration_has_no_context(content: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(content)
    listening(tmp_path / "docker.sock")
    assert places.local().host == f"unix://{tmp_path}/docker.sock"


@pytest.mark.parametrize(
    ("tag", "reference"),
    [("t", "r.example/a:t"), (None, "r.example/a:latest"), ("sha256:0", "r.example/a@sha256:0")],
)
def test_podman_pulls_by_its_own_call(tag: str | None, reference: str) -> None:
    asked = {"fromImage": "r.example/a", "tag": tag, "platform": "linux/arm64"}
    url, parameters = podman.own_call("http+docker://x/v1.41/images/create", asked, plain=True)
    assert url == "http+docker://x/v4.0.0/libpod/images/pull"
    assert parameters == {
        "reference": reference,
        "OS": "linux",
        "Arch": "arm64",
        "tlsVerify": "false",
    }
    _, parameters = podman.own_call("http+docker://x/v1.41/images/create", asked, plain=False)
    assert "tlsVerify" not in parameters


def test_podman_builds_by_dockers_call() -> None:
    url = "http+docker://x/v1.41/build"
    assert podman.own_call(url, {"t": "a"}, plain=True) == (url, {"t": "a"})
