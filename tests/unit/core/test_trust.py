"""Which certificates are trusted."""

from __future__ import annotations

from pathlib import Path

import pytest

from core import trust
from core.errors import ConfigError


def test_a_configured_ca_bundle_beats_the_environments(tmp_path: Path) -> None:
    pem = tmp_path / "ca.pem"
    pem.write_text("-----BEGIN CERTIFICATE-----\n")
    environ = {"SSL_CERT_FILE": str(pem), "PIP_CERT": "/elsewhere"}
    assert trust.bundle(None, environ) == pem
    assert trust.bundle(None, {}) is None
    with pytest.raises(ConfigError, match="can't be read"):
        trust.bundle(tmp_path / "missing.pem", environ)
    (tmp_path / "empty.pem").write_text("")
    with pytest.raises(ConfigError, match="no PEM"):
        trust.bundle(tmp_path / "empty.pem", environ)
