"""From the URL of a noVNC page to the proxy's websocket."""

from __future__ import annotations

import pytest

from kollarm.console_proof.console import ProxyError, session, websocket
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
