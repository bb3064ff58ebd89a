"""``kollarm overlays``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kollarm.cli.main import main


def test_without_any_configuration_overlays_are_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["overlays", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)
