"""A configuration and a log folder of each test's own."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def own_logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "kollarm" / "logs"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "kollarm.yml"
    path.write_text('release: "2026.1"\n')
    return path
