"""Which URLs are the registry's own, what is repeated, and what refusals mean."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from urllib3 import HTTPResponse

from core.errors import KollarmError
from core.oci.auth import stored_credentials
from core.oci.manifest import RegistryError
from core.oci.transport import LONGEST_WAIT, BoundedRetry, RegistryTransport, fixed_tag


def transport(address: str, *, insecure: bool = False) -> RegistryTransport:
    return RegistryTransport(address, insecure=insecure, ca_bundle=None, credentials=None)


@pytest.mark.parametrize(
    ("address", "url", "own"),
    [
        ("registry.example.org", "https://registry.example.org:443/v2/x", True),
        ("registry.example.org:443", "https://registry.example.org/v2/x", True),
        ("registry.example.org", "https://REGISTRY.example.org/v2/x", True),
        ("registry.example.org", "https://registry.example.org:8443/v2/x", False),
        ("registry.example.org", "https://registry.example.org.evil.example/v2/x", False),
        ("registry.example.org", "https://registry.example.org@evil.example/v2/x", False),
        ("docker.io", "https://registry-1.docker.io/v2/x", True),
    ],
)
def test_which_url_is_the_registrys_own(address: str, url: str, own: bool) -> None:
    assert transport(address)._is_own(url) is own


@pytest.mark.parametrize(
    "path", ["http://registry.example.org/v2/x", "ftp://registry.example.org/"]
)
def test_tls_is_never_left(path: str) -> None:
    with pytest.raises(RegistryError) as caught:
        transport("registry.example.org").request("PUT", path, "", data=b"x")
    assert caught.value.hint is not None and "X-Forwarded-Proto" in caught.value.hint


@pytest.mark.parametrize("path", ["https://[::1", "http://registry.example.org:port/x"])
def test_what_is_no_url_is_refused(path: str) -> None:
    with pytest.raises(RegistryError):
        transport("registry.example.org", insecure=True).request("GET", path, "")


@pytest.mark.parametrize(("asked", "waits"), [("5", 5.0), ("3600", LONGEST_WAIT), (None, None)])
def test_no_server_makes_us_wait_for_long(asked: str | None, waits: float | None) -> None:
    answer = HTTPResponse(status=429, headers={"Retry-After": asked} if asked else {})
    assert BoundedRetry().get_retry_after(answer) == waits


@pytest.mark.parametrize(
    ("words", "status", "fixed"),
    [
        ("ImageTagAlreadyExistsException: The image tag 't' already exists", 400, True),
        ("PRECONDITION: configured as immutable", 412, True),
        ("TAG_INVALID: tag is immutable", 400, True),
        ("DENIED: requested access to the resource is denied", 403, False),
        ("MANIFEST_INVALID: manifest invalid", 400, False),
        ("received unexpected HTTP status: 502 Bad Gateway", 0, False),
    ],
)
def test_refusals_of_immutable_tags_are_known(words: str, status: int, fixed: bool) -> None:
    assert (fixed_tag(words, status) is not None) is fixed


@pytest.mark.parametrize("key", ["credsStore", "credHelpers"])
def test_a_helper_that_is_not_installed_is_named(
    key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    helper: object = "desktop" if key == "credsStore" else {"registry.example.org": "desktop"}
    (tmp_path / "config.json").write_text(json.dumps({key: helper, "auths": {}}))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(KollarmError, match="docker-credential-desktop") as caught:
        stored_credentials("registry.example.org")
    assert caught.value.hint is not None and "config.json" in caught.value.hint
