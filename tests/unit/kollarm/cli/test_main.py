"""The command line's promises: exit statuses, one JSON document, errors without tracebacks."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from core import progress
from core.config.load import load
from core.config.model import Config
from core.run import run
from kollarm.cli.main import cli, main


def test_a_bad_configuration_is_exit_status_2_with_places(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config.write_text("realease: x\nbuild: 3\n")
    assert main(["config", "show", "--config", str(config)]) == 2
    streams = capsys.readouterr()
    assert streams.out == ""
    assert f"{config}:1: realease: unknown key (did you mean 'release'?)" in streams.err
    assert f"{config}:2: build:" in streams.err
    assert "Traceback" not in streams.err


def test_an_error_in_json_is_a_document_too(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config.write_text("realease: x\n")
    assert main(["config", "show", "--config", str(config), "--json"]) == 2
    assert "kollarm.yml" in json.loads(capsys.readouterr().out)["error"]["message"]


@pytest.mark.parametrize(
    "words", [["lint"], ["overlays", "list"], ["doctor"], ["guest", "audit"], ["config", "show"]]
)
def test_a_configuration_that_is_named_but_missing_is_refused(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = tmp_path / "typo.yml"
    assert main([*words, "--config", str(missing)]) == 2
    streams = capsys.readouterr()
    assert streams.out == ""
    assert str(missing) in streams.err


@pytest.mark.parametrize("words", [["config", "shwo"], ["nothing"], ["config", "show", "--odd"]])
def test_bad_usage_is_exit_status_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    assert "Usage:" in capsys.readouterr().err


@pytest.mark.parametrize("name", sorted(cli.lazy))
def test_every_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--help"]) == 0
    assert "Usage: kollarm" in capsys.readouterr().out


def test_an_interruption_is_exit_status_130(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(path: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("kollarm.cli.config.read_config", interrupted)
    assert main(["config", "show", "--config", str(config)]) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_a_defect_is_exit_status_1_and_names_the_log(
    config: Path,
    own_logs: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def broken(path: Path) -> None:
        raise ZeroDivisionError("inside")

    monkeypatch.setattr("kollarm.cli.config.read_config", broken)
    assert main(["config", "show", "--config", str(config)]) == 1
    said = capsys.readouterr().err
    assert "Traceback" not in said and "--debug" in said
    [log] = own_logs.glob("*.log")
    assert str(log) in said and "ZeroDivisionError" in log.read_text()
    assert main(["--debug", "config", "show", "--config", str(config)]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_the_shell_completes_commands_and_leaves_no_log(own_logs: Path) -> None:
    asked = {"_KOLLARM_COMPLETE": "bash_complete", "COMP_WORDS": "kollarm guest ver"}
    done = subprocess.run(
        [sys.executable, "-m", "kollarm.cli.main"],
        env=dict(os.environ) | asked | {"COMP_CWORD": "2"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "plain,verify\n"
    assert not own_logs.exists()


PLACES = [
    ["{}", "config", "show"],
    ["config", "{}", "show"],
    ["config", "show", "{}"],
]


def at(place: list[str], option: str, config: Path) -> list[str]:
    """The words of a command with an option at one of its places."""
    return [*(word.format(option) for word in place), "--config", str(config)]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("option", ["-v", "--verbose"])
def test_verbose_shows_the_log_wherever_it_stands(
    config: Path,
    place: list[str],
    option: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("kollarm.cli.config.read_config", reads_and_runs)
    monkeypatch.setattr(progress, "_current", progress.Progress())
    handlers = logging.getLogger().handlers[:]
    assert main(at(place, option, config)) == 0
    assert capsys.readouterr().err.count("run: true") == 1
    assert not [
        handler
        for handler in logging.getLogger().handlers
        if handler not in handlers and not isinstance(handler, logging.FileHandler)
    ]
    assert main(at(place, "--debug", config)) == 0
    assert "run: true" not in capsys.readouterr().err


def reads_and_runs(path: Path) -> Config:
    run(["true"])
    return load(path)


def test_quiet_and_verbose_exclude_each_other(config: Path) -> None:
    assert main(["-q", "config", "show", "-v", "--config", str(config)]) == 2


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("option", ["-q", "--quiet"])
def test_quiet_hides_the_steps_wherever_it_stands(
    config: Path,
    place: list[str],
    option: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def steps(path: Path) -> Config:
        with progress.current().step("a step"):
            return load(path)

    monkeypatch.setattr("kollarm.cli.config.read_config", steps)
    monkeypatch.setattr(progress, "_current", progress.Progress())
    assert main(at(place, "--debug", config)) == 0
    assert "a step" in capsys.readouterr().err
    assert main(at(place, option, config)) == 0
    assert "a step" not in capsys.readouterr().err


@pytest.mark.parametrize("place", PLACES)
def test_debug_shows_the_traceback_wherever_it_stands(
    config: Path, place: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    config.write_text("realease: x\n")
    assert main(at(place, "--debug", config)) == 2
    assert "Traceback" in capsys.readouterr().err


def test_a_value_that_looks_like_debug_is_none(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config.rename(config.parent / "--debug")
    assert main(["config", "show", "--config", str(config)]) == 2
    assert main(["guest", "inspect", "--", "--debug"]) == 1
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "guess"),
    [(["bild"], "build"), (["guest", "prove-it"], "prove"), (["confg"], "config")],
)
def test_a_misspelt_command_is_guessed(
    words: list[str], guess: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    assert f"Did you mean {guess!r}?" in capsys.readouterr().err


@pytest.mark.parametrize("name", sorted({*cli.lazy} & {"attest", "config", "guest", "overlays"}))
def test_the_summary_of_no_command_is_cut_off(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([name, "--help"]) == 0
    listing = capsys.readouterr().out.split("Commands:")[1]
    assert "..." not in listing
    assert all(re.match(r"  +\S+  +\S", line) for line in listing.strip("\n").splitlines())
