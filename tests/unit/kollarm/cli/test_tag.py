"""A tag of the command line takes the place of the configuration's."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder.request import BuildRequest
from kollarm.cli.common import read_config
from kollarm.cli.main import main

COMMANDS = [
    ["build"],
    ["images"],
    ["attest", "verify"],
    ["attest", "write"],
    ["attest", "show", "base"],
    ["attest", "bill", "base"],
]


@pytest.mark.parametrize(
    ("configured", "named", "tag"),
    [("", None, "2026.1"), ("build: {tag: ours}", None, "ours"), ("build: {tag: ours}", "x", "x")],
)
def test_the_nearest_tag_counts(config: Path, configured: str, named: str | None, tag: str) -> None:
    config.write_text(f'release: "2026.1"\n{configured}\n')
    assert BuildRequest(read_config(config, named)).tag == tag


@pytest.mark.parametrize("words", COMMANDS)
def test_what_cannot_be_a_tag_is_refused(
    words: list[str], config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--config", str(config), "--tag", "2026.1:x"]) == 2
    assert "'--tag'" in capsys.readouterr().err
