"""Logging in to a real registry by token, credential helpers, and a registry that falters."""

from __future__ import annotations

import base64
import http.server
import json
import logging
import re
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from builder import index
from builder.engines.docker import DockerEngine
from builder.engines.protocol import BuildJob
from core.config.model import Architecture
from core.errors import KollarmError
from core.oci.registry import RegistryClient
from tests.support.answering import say, serving
from tests.support.registries import RunningRegistry, context
from tests.support.servers import free_port
from tests.support.stocked import put

pytestmark = pytest.mark.integration

X86 = Architecture.X86_64
PASSWORD = "correct-horse"


class TokenService:
    """Signs tokens for ann: https://distribution.github.io/distribution/spec/auth/jwt/."""

    def __init__(self) -> None:
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tests")])
        now = datetime.now(UTC)
        self.certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self.key.public_key())
            .serial_number(1)
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .sign(self.key, hashes.SHA256())
        )
        self.asked: list[str] = []

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def answer(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        pair = base64.b64encode(f"ann:{PASSWORD}".encode()).decode()
        if handler.headers.get("Authorization") != f"Basic {pair}":
            say(handler, 401, b"{}")
            return
        query = parse_qs(urlsplit(handler.path).query)
        scope = query.get("scope", [""])[0]
        self.asked.append(scope)
        say(handler, 200, json.dumps({"token": self.token(scope, query["service"][0])}).encode())

    def token(self, scope: str, service: str) -> str:
        kind, _, rest = scope.partition(":")
        name, _, actions = rest.rpartition(":")
        access = [{"type": kind, "name": name, "actions": actions.split(",")}] if scope else []
        der = self.certificate.public_bytes(serialization.Encoding.DER)
        head = {"typ": "JWT", "alg": "RS256", "x5c": [base64.b64encode(der).decode()]}
        now = int(time.time())
        claims = {"iss": "tests", "sub": "ann", "aud": service, "exp": now + 60,
                  "nbf": now - 5, "iat": now, "jti": str(now), "access": access}  # fmt: skip
        signed = b".".join(_segment(json.dumps(part).encode()) for part in (head, claims))
        signature = self.key.sign(signed, padding.PKCS1v15(), hashes.SHA256())
        return (signed + b"." + _segment(signature)).decode()


def _segment(content: bytes) -> bytes:
    return base64.urlsafe_b64encode(content).rstrip(b"=")


@pytest.fixture
def by_token(tmp_path: Path) -> Iterator[tuple[RunningRegistry, TokenService]]:
    service = TokenService()
    (tmp_path / "ca.pem").write_bytes(service.pem)
    with serving(service.answer) as address:
        running = RunningRegistry(
            tmp_path / "registry",
            auth={
                "token": {
                    "realm": f"http://{address}/token",
                    "service": "tests",
                    "issuer": "tests",
                    "rootcertbundle": str(tmp_path / "ca.pem"),
                }
            },
        )
        yield running, service
        running.stop()


def helper(folder: Path, address: str, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A credential helper of Docker's for one registry, in the PATH."""
    program = folder / "bin" / "docker-credential-tests"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ncat > /dev/null\n{script}\n")
    program.chmod(0o755)
    (folder / "config.json").write_text(json.dumps({"credHelpers": {address: "tests"}}))
    monkeypatch.setenv("DOCKER_CONFIG", str(folder))
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")


def test_a_token_for_each_scope_with_a_helpers_credentials(
    by_token: tuple[RunningRegistry, TokenService],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    registry, service = by_token
    caplog.set_level(logging.DEBUG)
    said = json.dumps({"ServerURL": registry.address, "Username": "ann", "Secret": PASSWORD})
    helper(tmp_path, registry.address, f"echo '{said}'", monkeypatch)
    client = RegistryClient(registry.address, insecure=True)
    client.ping()
    put(client, "test/guarded", "t-x", X86, "key")
    found = client.image("test/guarded", "t-x")
    assert found is not None and found.key == "key"
    index.write(client, "test/guarded", "t", index.compose({X86: found}))
    # a registry names the actions of a scope in any order
    scopes = {
        (scope.rpartition(":")[0], *sorted(scope.rpartition(":")[2].split(",")))
        for scope in service.asked
    }
    assert scopes == {
        ("", ""),
        ("repository:test/guarded", "pull"),
        ("repository:test/guarded", "pull", "push"),
    }
    assert len(service.asked) == len(scopes), "a token is asked for once"
    assert PASSWORD not in caplog.text


def test_a_token_service_that_refuses(
    by_token: tuple[RunningRegistry, TokenService],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    registry, _ = by_token
    said = json.dumps({"ServerURL": registry.address, "Username": "ann", "Secret": "wrong-word"})
    helper(tmp_path, registry.address, f"echo '{said}'", monkeypatch)
    with pytest.raises(KollarmError, match="token service") as caught:
        RegistryClient(registry.address, insecure=True).ping()
    assert caught.value.hint is not None and "docker login" in caught.value.hint
    assert "wrong-word" not in f"{caught.value} {caught.value.details}"


def test_a_helper_that_fails(
    by_token: tuple[RunningRegistry, TokenService],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    registry, _ = by_token
    helper(tmp_path, registry.address, "echo the keyring is locked; exit 1", monkeypatch)
    with pytest.raises(KollarmError) as caught:
        RegistryClient(registry.address, insecure=True).ping()
    assert "credential" in f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize("doing", ["build", "push", "pull"])
def test_a_helper_that_is_missing_ends_no_engine_call(
    doing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.json").write_text('{"credsStore": "nowhere", "auths": {}}')
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    engine, reference = DockerEngine(), f"127.0.0.1:{free_port()}/test/helper:t"
    content = context("FROM scratch\nCOPY f /\n", f=b"")
    with pytest.raises(KollarmError, match="docker-credential-nowhere") as caught:
        if doing == "build":
            engine.build(BuildJob(content, reference, X86))
        elif doing == "push":
            engine.push(reference)
        else:
            engine.pull(reference, X86)
    assert caught.value.hint is not None and "config.json" in caught.value.hint


def test_podmans_login_is_known(
    by_token: tuple[RunningRegistry, TokenService],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    registry, _ = by_token
    pair = base64.b64encode(f"ann:{PASSWORD}".encode()).decode()
    logins = {"auths": {registry.address: {"auth": pair}}}
    (tmp_path / "auth.json").write_text(json.dumps(logins))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "nothing"))
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(tmp_path / "auth.json"))
    RegistryClient(registry.address, insecure=True).ping()


def test_a_registry_that_falters_is_asked_again(tmp_path: Path) -> None:
    """Each request is refused, or cut off, before it is let through to the real registry."""
    registry = RunningRegistry(tmp_path / "registry")
    troubles = [503, 429, 0]
    seen: dict[tuple[str, str], int] = {}
    lock = threading.Lock()

    def falter(handler: http.server.BaseHTTPRequestHandler) -> None:
        length = int(handler.headers.get("Content-Length") or 0)
        body = handler.rfile.read(length)
        with lock:
            place = (handler.command, re.sub(r"uploads/.*", "uploads", handler.path))
            number = seen.get(place, 0)
            seen[place] = number + 1
        if number == 0:
            trouble = troubles[sum(map(ord, "".join(place))) % len(troubles)]
            if trouble == 0:
                handler.close_connection = True
                handler.connection.close()
                return
            say(handler, trouble, b"{}", Retry_After="0")
            return
        headers = {k: v for k, v in handler.headers.items() if k.lower() != "host"}
        answer = requests.request(
            handler.command, f"http://{registry.address}{handler.path}", headers=headers,
            data=body, timeout=30, allow_redirects=False,
        )  # fmt: skip
        kept = {
            name.replace("-", "_"): value
            for name, value in answer.headers.items()
            if name.lower() in ("content-type", "docker-content-digest", "location")
        }
        say(handler, answer.status_code, answer.content, **kept)

    try:
        with serving(falter) as address:
            client = RegistryClient(address)
            put(client, "test/falters", "t-x", X86, "key")
            found = client.image("test/falters", "t-x")
            assert found is not None
            index.write(client, "test/falters", "t", index.compose({X86: found}))
            assert {number > 1 for number in seen.values()} == {True}
        direct = RegistryClient(registry.address).index("test/falters", "t")
        assert direct is not None and len(direct.entries) == 1
    finally:
        registry.stop()
