"""``kollarm config show``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kollarm.cli.main import main


def test_config_show_prints_one_json_document(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["config", "show", "--config", str(config), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["release"] == "2026.1"
    assert shown["state_dir"] == str(config.parent / ".kollarm")


def test_config_show_prints_what_can_be_read_again(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["config", "show", "--config", str(config)]) == 0
    shown = capsys.readouterr().out
    config.write_text(shown)
    assert main(["config", "show", "--config", str(config)]) == 0
    assert capsys.readouterr().out == shown
