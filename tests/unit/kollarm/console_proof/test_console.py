"""From the URL of a noVNC page to the proxy's websocket."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

import pytest
from websockets.sync.server import ServerConnection, serve
from websockets.typing import Subprotocol

from core.errors import KollarmError
from kollarm.console_proof.console import ProxyError, serial_session, session, websocket
from tests.support.run_logs import started
from tests.support.servers import free_port


@pytest.mark.parametrize(
    ("page", "address"),
    [
        (
            "http://cloud:6080/vnc_lite.html?path=%3Ftoken%3Dab-cd",
            "ws://cloud:6080/?token=ab-cd",
        ),
        (
            "https://cloud.example:6080/vnc_auto.html?path=%3Ftoken%3Dabcd%26title%3Dguest",
            "wss://cloud.example:6080/?token=abcd&title=guest",
        ),
        ("http://cloud/novnc/vnc_auto.html?token=abcd", "ws://cloud/websockify?token=abcd"),
    ],
)
def test_the_websocket_has_the_pages_token(page: str, address: str) -> None:
    assert websocket(page) == address


def test_a_url_without_a_token_is_no_consoles() -> None:
    with pytest.raises(ProxyError, match="no token"):
        websocket("http://cloud:6080/vnc_lite.html")


def test_a_proxy_that_isnt_there_is_named() -> None:
    port = free_port()
    with (
        pytest.raises(ProxyError, match=f"127.0.0.1:{port} can't be reached"),
        session(f"http://127.0.0.1:{port}/vnc_lite.html?path=%3Ftoken%3Dx"),
    ):
        pass


def test_a_consoles_token_is_not_logged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))

    def handle(connection: ServerConnection) -> None:
        connection.send(b"this is not VNC")

    with started("guest prove") as log, serve(handle, "127.0.0.1", 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.socket.getsockname()[1]
        page = f"http://127.0.0.1:{port}/vnc_lite.html?path=%3Ftoken%3Dplanted-token"
        with pytest.raises(KollarmError) as caught, session(page):
            pass
        logging.getLogger("kollarm").debug("the end")
        server.shutdown()
    text = log.read_text(encoding="utf-8")
    assert "the end" in text
    for told in (text, f"{caught.value} {caught.value.details} {caught.value.hint}"):
        assert "planted" not in told


def test_a_serial_console_passes_bytes_both_ways() -> None:
    def handle(connection: ServerConnection) -> None:
        connection.send(b"guest login: ")
        for message in connection:
            connection.send(message)

    with serve(handle, "127.0.0.1", 0, subprotocols=[Subprotocol("binary")]) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.socket.getsockname()[1]
        with serial_session(f"ws://127.0.0.1:{port}/?token=x") as stream:
            stream.write(b"word")
            received = b""
            while not received.endswith(b"word"):
                received += stream.read()
        server.shutdown()
    assert received == b"guest login: word"


def test_a_serial_console_that_ends_is_told() -> None:
    with serve(lambda connection: None, "127.0.0.1", 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.socket.getsockname()[1]
        with (
            pytest.raises(ProxyError, match="closed the connection"),
            serial_session(f"ws://127.0.0.1:{port}/?token=x") as stream,
        ):
            while True:
                stream.read()
        server.shutdown()


@pytest.mark.parametrize("url", ["http://cloud:6083/?token=planted", "file:///etc/passwd"])
def test_only_a_websocket_is_a_serial_console(url: str) -> None:
    with pytest.raises(ProxyError) as caught, serial_session(url):
        pass
    assert "planted" not in str(caught.value)
