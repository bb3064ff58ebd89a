"""The clock is compared with servers whose identity isn't proved: they are told nothing."""

from __future__ import annotations

import http.server
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from core.config.model import Config, Registry
from kollarm.doctor import clock
from kollarm.doctor.model import DoctorFinding, Level


class Answer(http.server.BaseHTTPRequestHandler):
    """Notes the credentials that a request carries."""

    seen: list[str | None]
    age = ""

    def do_HEAD(self) -> None:
        self.seen.append(self.headers.get("Authorization"))
        self.send_response(200)
        if self.age:
            self.send_header("Age", self.age)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def server(
    certificate: Path | None = None, age: str = ""
) -> Iterator[tuple[int, list[str | None]]]:
    handler = type("Handler", (Answer,), {"seen": [], "age": age})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as listening:
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            listening.socket = context.wrap_socket(listening.socket, server_side=True)
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield listening.server_port, handler.seen  # type: ignore[attr-defined]
        listening.shutdown()


@pytest.fixture
def self_signed(tmp_path: Path) -> Path:
    path = tmp_path / "server.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
         "-subj", "/CN=evil", "-keyout", path, "-out", tmp_path / "cert.pem"],
        check=True, capture_output=True,
    )  # fmt: skip
    path.write_text(path.read_text("utf-8") + (tmp_path / "cert.pem").read_text("utf-8"), "utf-8")
    return path


def asked(monkeypatch: pytest.MonkeyPatch, url: str) -> DoctorFinding:
    monkeypatch.setattr(clock, "servers", lambda config: [url])
    [finding] = clock.clock(Config(registry=Registry(embedded=True)))
    return finding


@pytest.mark.parametrize("user", ["", "builder:S3cret@"])
@pytest.mark.parametrize("secure", [True, False])
def test_no_request_carries_credentials(
    user: str,
    secure: bool,
    self_signed: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login builder password S3cret\n", "utf-8")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    monkeypatch.setenv("no_proxy", "*")
    with server(self_signed if secure else None) as (port, seen):
        scheme = "https" if secure else "http"
        finding = asked(monkeypatch, f"{scheme}://{user}127.0.0.1:{port}/v2/")
    assert finding.level is Level.GOOD
    assert seen == [None]
    assert "S3cret" not in str(finding)


@pytest.mark.parametrize("age", ["soon", "-", "1e400", "nan", "9" * 400, "9" * 5000])
def test_an_absurd_age_is_no_defect(age: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    with server(age=age) as (port, _):
        finding = asked(monkeypatch, f"http://127.0.0.1:{port}/")
    assert finding.subject == "clock"
