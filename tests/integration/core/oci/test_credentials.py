"""Where credentials go, whatever a registry, its storage or its token service answers."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from core.errors import KollarmError
from core.oci.auth import Credentials, RegistryAuth
from core.oci.registry import OCI_MANIFEST, RegistryClient, RegistryError, digest_of
from core.oci.transport import RegistryTransport
from tests.support.answering import say, serving

pytestmark = pytest.mark.integration

PASSWORD = "planted-word"
KNOWN = Credentials("ann", PASSWORD)
REFRESHING = Credentials(identity_token=PASSWORD)

Answer = Callable[[BaseHTTPRequestHandler], None]


class Servers:
    """Servers that keep what they are sent."""

    def __init__(self, stack: ExitStack):
        self._stack = stack
        self.seen: list[tuple[str, str]] = []

    def serve(self, name: str, answer: Answer) -> str:
        """A server; its address."""

        def keep(handler: BaseHTTPRequestHandler) -> None:
            body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
            sent = f"{handler.path} {handler.headers} {body.decode(errors='replace')}"
            self.seen.append((name, sent))
            answer(handler)

        return self._stack.enter_context(serving(keep))

    def told(self) -> set[str]:
        """The servers that were sent the password or the token."""
        pair = base64.b64encode(f"ann:{PASSWORD}".encode()).decode()
        return {name for name, sent in self.seen if PASSWORD in sent or pair in sent}


@pytest.fixture
def servers() -> Iterator[Servers]:
    with ExitStack() as stack:
        yield Servers(stack)


def token(handler: BaseHTTPRequestHandler) -> None:
    say(handler, 200, b'{"token": "T0K"}')


def wants_token(realm: str) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        if handler.headers.get("Authorization") == "Bearer T0K":
            say(handler, 200, b"{}")
        else:
            say(handler, 401, b"{}", WWW_Authenticate=f'Bearer realm="{realm}",service="s"')

    return answer


def sends_to(address: str, status: int = 307) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        if handler.command == "POST" and "/uploads/" in handler.path:
            say(handler, 202, b"", Location=f"http://{address}/up")
        else:
            say(handler, status, b"", Location=f"http://{address}{handler.path}")

    return answer


def client(address: str, credentials: Credentials = KNOWN) -> RegistryClient:
    return RegistryClient(address, insecure=True, credentials=credentials)


@pytest.mark.parametrize("credentials", [KNOWN, REFRESHING])
def test_a_realm_that_the_storage_names_gets_nothing(
    servers: Servers, credentials: Credentials
) -> None:
    evil = servers.serve("evil", token)
    storage = servers.serve("storage", wants_token(f"http://{evil}/token"))
    registry = servers.serve("registry", sends_to(storage))
    for call in (
        lambda: client(registry, credentials).blob("kolla/base", "sha256:" + "a" * 64),
        lambda: client(registry, credentials).manifest("kolla/base", "t"),
        lambda: client(registry, credentials).put_blob("kolla/base", b"x"),
        lambda: client(registry, credentials).put_manifest("kolla/base", "t", b"x", OCI_MANIFEST),
    ):
        with pytest.raises(RegistryError, match="401"):
            call()
    assert servers.told() == set()
    assert {name for name, _ in servers.seen} == {"registry", "storage"}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("credentials", [KNOWN, REFRESHING])
def test_a_token_service_sends_nothing_on(
    servers: Servers, credentials: Credentials, status: int
) -> None:
    evil = servers.serve("evil", token)
    service = servers.serve("service", sends_to(evil, status))
    registry = servers.serve("registry", wants_token(f"http://{service}/token"))
    with pytest.raises(KollarmError, match="redirects"):
        client(registry, credentials).ping()
    assert servers.told() == {"service"}
    assert "evil" not in {name for name, _ in servers.seen}


def test_a_realm_may_be_relative(servers: Servers) -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        if handler.path.startswith("/zot/auth/token"):
            token(handler)
        else:
            wants_token("/zot/auth/token")(handler)

    client(servers.serve("registry", answer)).ping()
    assert servers.told() == {"registry"}


@pytest.mark.parametrize("realm", ["", "ftp://a.example/token", "http://[::1", "nowhere:token"])
def test_a_realm_that_is_no_url(servers: Servers, realm: str) -> None:
    if not realm:  # the registry's own page is no token service
        registry = servers.serve("registry", wants_token(realm))
        with pytest.raises(KollarmError):
            client(registry).ping()
        return
    registry = servers.serve("registry", wants_token(realm))
    with pytest.raises(KollarmError):
        client(registry).ping()
    assert servers.told() == set()


def test_a_registry_with_tls_names_no_realm_without(servers: Servers) -> None:
    evil = servers.serve("evil", token)
    transport = RegistryTransport(
        "registry.example.org", insecure=False, ca_bundle=None, credentials=KNOWN
    )
    auth = RegistryAuth(
        "registry.example.org", transport.url, transport.session, KNOWN, plain=False
    )
    with pytest.raises(KollarmError, match="without TLS"):
        auth.learn(f'Bearer realm="http://{evil}/token"', "")
    assert servers.seen == []


@pytest.mark.parametrize("challenge", ['Basic realm="r"', "Bearer"])
def test_loopback_gets_nothing_unless_it_is_called_insecure(
    servers: Servers, challenge: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evil = servers.serve("evil", token)
    said = challenge if "Basic" in challenge else f'Bearer realm="http://{evil}/token"'

    def answer(handler: BaseHTTPRequestHandler) -> None:
        say(handler, 401, b"{}", WWW_Authenticate=said)

    address = servers.serve("anybody", answer)
    pair = base64.b64encode(f"ann:{PASSWORD}".encode()).decode()
    (tmp_path / "config.json").write_text(json.dumps({"auths": {address: {"auth": pair}}}))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    with pytest.raises(RegistryError) as caught:
        RegistryClient(address).ping()
    assert caught.value.hint is not None and "registry.insecure" in caught.value.hint
    assert servers.told() == set()
    with pytest.raises(RegistryError):
        RegistryClient(address, insecure=True).ping()
    assert servers.told()


def test_netrc_is_not_read(
    servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine localhost login ann password {PASSWORD}\n")
    monkeypatch.setenv("NETRC", str(netrc))
    realm = servers.serve("service", token).replace("127.0.0.1", "localhost")
    registry = servers.serve("registry", wants_token(f"http://{realm}/token"))
    named = RegistryClient(registry.replace("127.0.0.1", "localhost"), insecure=True)
    # even where proxies are looked up, which a loopback address doesn't need
    named.transport.session.trust_env = True
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    named.ping()
    assert servers.told() == set()
    assert any("Bearer T0K" in sent for _, sent in servers.seen)


def test_proxies_and_authorities_come_from_the_environment(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = servers.serve("proxy", lambda handler: say(handler, 200, b"{}"))
    monkeypatch.setenv("http_proxy", f"http://{proxy}")
    monkeypatch.delenv("no_proxy", raising=False)
    RegistryClient("registry.example.org", insecure=True).ping()
    assert [name for name, _ in servers.seen] == ["proxy"]


@pytest.mark.parametrize("claims", ["right", "wrong", "none", "another sort"])
@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_content_is_compared_with_the_digest_that_was_asked_for(
    servers: Servers, claims: str, algorithm: str
) -> None:
    content = json.dumps({"schemaVersion": 2, "layers": []}).encode()
    asked = f"{algorithm}:" + "a" * (64 if algorithm == "sha256" else 128)
    header = {"right": digest_of(content), "wrong": asked, "another sort": "md5:x"}.get(claims)

    def answer(handler: BaseHTTPRequestHandler) -> None:
        headers = {"Content-Type": OCI_MANIFEST} | (
            {"Docker-Content-Digest": header} if header else {}
        )
        say(handler, 200, content, **headers)

    named = client(servers.serve("registry", answer))
    for call in (named.manifest, named.image, named.index, named.blob):
        with pytest.raises(RegistryError, match="digest"):
            call("kolla/base", asked)


@pytest.mark.parametrize(
    "content",
    [b"[]", b"7", b"null", b'"x"', b"", b"[" * 100_000, b"\xff", b'{"layers": 3}',
     b'{"manifests": {"a": 1}, "config": [], "layers": [7]}', b'{"config": {"digest": 3}}',
     b'{"manifests": [{"digest": "../../x"}], "layers": [{"digest": null}]}'],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["manifest", "index"])
def test_answers_of_a_wrong_shape_are_refused(servers: Servers, content: bytes, kind: str) -> None:
    from core.attestation import artifact, cosign, verification  # noqa: PLC0415
    from tests.support.signed_images import a_key  # noqa: PLC0415

    media_type = f"application/vnd.oci.image.{kind}.v1+json"

    def answer(handler: BaseHTTPRequestHandler) -> None:
        if "/referrers/" in handler.path:
            media = "application/vnd.oci.image.index.v1+json"
            say(handler, 200, content, Content_Type=media)
        else:
            say(handler, 200, content, Content_Type=media_type)

    named, digest = client(servers.serve("registry", answer)), digest_of(content)
    public = a_key().public
    for call in (
        lambda: named.image("a/b", "t"),
        lambda: named.index("a/b", "t"),
        lambda: artifact.referrers(named, "a/b", digest),
        lambda: artifact.content_of(named, "a/b", "t", digest),
        lambda: list(cosign.envelopes(named, "a/b", digest)),
        lambda: cosign.is_signed(named, "a/b", digest, public),
        lambda: verification.verify(named, "a/b", "t", public),
        lambda: verification.statements(named, "a/b", "t"),
    ):
        try:
            call()
        except KollarmError as error:
            assert error.message


@pytest.mark.parametrize("packed", [False, True])
def test_an_answer_has_a_most(servers: Servers, packed: bool) -> None:
    """A few kilobytes that unpack to gigabytes, or an answer that doesn't end."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", OCI_MANIFEST)
        piece = b" " * (1 << 20)
        if packed:
            content = gzip.compress(piece * 64)
            handler.send_header("Content-Encoding", "gzip")
            handler.send_header("Content-Length", str(len(content)))
            handler.end_headers()
            handler.wfile.write(content)
            return
        handler.send_header("Connection", "close")
        handler.end_headers()
        with suppress(OSError):
            for _ in range(1 << 20):
                handler.wfile.write(piece)

    named = client(servers.serve("registry", answer))
    for call in (named.manifest, named.blob):
        with pytest.raises(RegistryError, match="more than"):
            call("kolla/base", "sha256:" + "a" * 64)


def test_a_token_service_that_does_not_end(servers: Servers) -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        say(handler, 200, b'{"token": "' + b"x" * (8 << 20) + b'"}')

    service = servers.serve("service", answer)
    registry = servers.serve("registry", wants_token(f"http://{service}/token"))
    with pytest.raises(KollarmError, match="JSON"):
        client(registry).ping()
