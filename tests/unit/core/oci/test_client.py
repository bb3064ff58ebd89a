"""The registry client that a configuration asks for."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.config.model import Config, Registry
from core.errors import ConfigError
from core.oci.client import client_for


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
