"""Local services past a machine's proxy."""

from __future__ import annotations

import os

import pytest
import requests

from kollarm.services.ports import bypass_proxy

LOCAL = "127.0.0.2"


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])
@pytest.mark.parametrize("others", [None, "localhost, .corp", "*"])
def test_no_proxy_stands_before_a_local_service(
    monkeypatch: pytest.MonkeyPatch, name: str, others: str | None
) -> None:
    for each in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(each, raising=False)
        monkeypatch.delenv(each.upper(), raising=False)
    for each in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(each, others or "")
    monkeypatch.setenv(name, "http://proxy.example:3128")
    bypass_proxy(LOCAL)
    assert requests.utils.get_environ_proxies(f"http://{LOCAL}:5055/v2/") == {}
    kept = [each.strip() for each in os.environ["no_proxy"].split(",")]
    assert set((others or "").replace(" ", "").split(",")) - {""} <= set(kept)
