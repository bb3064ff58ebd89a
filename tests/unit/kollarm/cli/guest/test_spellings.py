"""``guest boot`` and ``guest prove``, and their earlier spellings in ``guest verify``."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from guestprep import record
from kollarm.cli.main import main
from tests.support import preparation
from tests.support.report_records import ARM, X86, consoles, proof

Call = tuple[int, Any, list[Any]]


class Commands:
    """Runs commands whose boots and proofs are stood in for."""

    def __init__(self, capsys: pytest.CaptureFixture[str]):
        self.capsys = capsys
        self.passed = True
        self.asked: list[Any] = []

    def boot(self, file: Path, **options: Any) -> Any:
        self.asked.append((file, options))
        return proof("after", passed=self.passed).report

    def prove(self, connection: Any, spec: Any) -> Any:
        self.asked.append((connection, spec))
        return consoles()[ARM if self.passed else X86]

    def __call__(self, *words: str) -> Call:
        """The exit status, the output, and what was asked for."""
        self.asked.clear()
        status = main(["guest", *words])
        return status, self.capsys.readouterr().out, list(self.asked)


@pytest.fixture
def kollarm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Commands:
    commands = Commands(capsys)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("kollarm.cli.guest.boot.boot", commands.boot)
    monkeypatch.setattr("kollarm.console_proof.prove", commands.prove)
    monkeypatch.setattr("kollarm.cli.guest.prove.cloud_for", lambda config, name: name)
    return commands


@pytest.mark.parametrize("passed", [True, False])
@pytest.mark.parametrize("options", [[], ["--json"], ["--screenshot", "s.png", "--timeout", "5"]])
def test_boot(kollarm: Commands, passed: bool, options: list[str]) -> None:
    kollarm.passed = passed
    status, output, [(file, asked)] = new = kollarm("boot", "x.img", *options)
    assert status == (0 if passed else 1)
    assert file == Path("x.img")
    assert asked["screenshot"] == Path("s.png" if "--screenshot" in options else "x.png")
    if "--json" in options:
        assert json.loads(output)["screenshot"] == "x.png"
    assert kollarm("verify", "x.img", "--boot", *options) == new


def test_an_image_for_x86_is_not_booted(
    kollarm: Commands, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = replace(preparation.record(tmp_path), architecture="x86_64")
    record.write(made, record.record_path(Path("x.img")))
    assert main(["guest", "boot", "x.img"]) == 1
    assert "guest prove" in capsys.readouterr().err and not kollarm.asked


@pytest.mark.parametrize("passed", [True, False])
@pytest.mark.parametrize(
    "options", [[], ["--json"], ["--flavor", "f", "--network", "n", "--host", "h"]]
)
def test_prove(kollarm: Commands, passed: bool, options: list[str]) -> None:
    kollarm.passed = passed
    status, output, [(cloud, spec)] = new = kollarm("prove", "jammy", "--cloud", "mine", *options)
    assert status == (0 if passed else 1)
    assert (cloud, spec.image, spec.screenshot) == ("mine", "jammy", Path("jammy.png"))
    assert (spec.flavor, spec.network) == (("f", "n") if "--flavor" in options else (None, None))
    if "--json" in options:
        assert json.loads(output)["passed"] is passed
    assert kollarm("verify", "jammy", "--cloud", "mine", *options) == new


@pytest.mark.parametrize("words", [["--boot", "--cloud", "c"], ["--host", "h"], ["--network", "n"]])
def test_options_that_do_not_belong_together(kollarm: Commands, words: list[str]) -> None:
    assert kollarm("verify", "x.img", *words) == (2, "", [])


@pytest.mark.parametrize("name", ["verify", "boot", "prove"])
def test_a_configuration_that_is_named_must_exist(kollarm: Commands, name: str) -> None:
    assert kollarm(name, "x.img", "--config", "typo.yml") == (2, "", [])


def test_the_earlier_spellings_are_hidden(kollarm: Commands) -> None:
    _, text, _ = kollarm("verify", "--help")
    assert "--config" in text
    assert not {"--boot", "--cloud", "--flavor"} & set(text.split())
