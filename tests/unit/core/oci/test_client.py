"""The registry client that a configuration asks for."""

from __future__ import annotations

import http.server
import json
from pathlib import Path

import pytest

from core.config.model import Config, Registry
from core.errors import ConfigError
from core.oci.client import client_for
from core.oci.registry import RegistryClient, RegistryError
from tests.support.answering import say, serving


def test_plain_http_is_for_the_configured_registry_alone() -> None:
    config = Config(registry=Registry(address="registry.example.org:5000", insecure=True))
    assert client_for(config).transport.url == "http://registry.example.org:5000/v2/"
    assert client_for(config, "quay.io").transport.url == "https://quay.io/v2/"


def test_the_configured_authorities_are_trusted(tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    config = Config(ca_bundle=bundle)
    with pytest.raises(ConfigError):
        client_for(config)
    bundle.write_text("-----BEGIN CERTIFICATE-----\n")
    assert client_for(config).transport.session.verify == str(bundle)
    assert client_for(config, "quay.io").transport.session.verify == str(bundle)


@pytest.mark.parametrize("pages", [(["a", "b"], ["c"]), (["a"], ["a"]), (["a", "../b", 5, None],)])
def test_tags_are_read_page_by_page(pages: tuple[list[object], ...]) -> None:
    """A list without an end, whose last page leads to the first, ends all the same."""

    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        number = int(handler.path.partition("last=")[2] or 0)
        body = json.dumps({"name": "x", "tags": pages[number]}).encode()
        following = (number + 1) % len(pages)
        say(handler, 200, body, Link=f'</v2/kolla/x/tags/list?last={following}>; rel="next"')

    with serving(answer) as address:
        found = RegistryClient(address).tags("kolla/x")
    assert found == sorted(
        {tag for page in pages for tag in page if isinstance(tag, str) and "/" not in tag}
    )


@pytest.mark.parametrize("tags", [b'{"tags": {}}', b'{"tags": null}', b"{}"])
def test_a_list_of_no_tags_is_empty(tags: bytes) -> None:
    with serving(lambda handler: say(handler, 200, tags)) as address:
        assert RegistryClient(address).tags("kolla/x") == []


@pytest.mark.parametrize(
    ("status", "word"), [(202, ""), (404, ""), (405, "delete.enabled"), (403, "403")]
)
def test_what_a_registry_says_to_deleting(status: int, word: str) -> None:
    with serving(lambda handler: say(handler, status, b"")) as address:
        client = RegistryClient(address)
        if not word:
            client.delete_manifest("kolla/x", f"sha256:{'0' * 64}")
            return
        with pytest.raises(RegistryError) as caught:
            client.delete_manifest("kolla/x", f"sha256:{'0' * 64}")
    assert word in f"{caught.value.message} {caught.value.hint}"
