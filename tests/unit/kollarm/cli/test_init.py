"""``kollarm init``: what it writes is a configuration that passes."""

from __future__ import annotations

import json
import os
import pty
import re
import sys
from pathlib import Path

import pytest
import yaml

from core.config.load import load
from core.config.model import Architecture
from kollarm.cli.main import main


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_without_options_it_runs_on_this_machine_alone(folder: Path) -> None:
    assert main(["init"]) == 0
    config = load(folder / "kollarm.yml")
    assert config.registry.embedded and config.cloud.embedded
    assert {*config.build.engines} == {*Architecture}
    assert [guest.source.image for guest in config.guests] == ["debian-13-generic"]


def test_options_are_written_down(folder: Path) -> None:
    words = ["--release", "2025.2", "--distro", "ubuntu", "--arch", "aarch64"]
    words += ["--registry", "[fe80::1]:5000", "--cloud", "my: cloud #1"]
    words += ["--guest", "ubuntu-24.04", "--guest", "ubuntu-22.04", "--config", "other.yml"]
    assert main(["init", *words]) == 0
    config = load(folder / "other.yml")
    assert (config.release, config.build.distro.value) == ("2025.2", "ubuntu")
    assert [*config.build.engines] == [Architecture.AARCH64]
    assert (config.registry.address, config.cloud.name) == ("[fe80::1]:5000", "my: cloud #1")
    assert [guest.name for guest in config.guests] == ["ubuntu-24.04-arm64", "ubuntu-22.04-arm64"]


@pytest.mark.parametrize("words", [["--release", "2026.7"], ["--guest", "ubuntu-2404"]])
def test_a_wrong_option_writes_nothing(
    words: list[str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["init", *words]) == 2
    assert words[1] in capsys.readouterr().err
    assert not [*folder.glob("*.yml")]


def test_a_file_that_exists_is_kept(folder: Path) -> None:
    (folder / "kollarm.yml").write_text("mine", "utf-8")
    assert main(["init"]) == 2
    assert (folder / "kollarm.yml").read_text("utf-8") == "mine"
    assert main(["init", "--force"]) == 0
    assert load(folder / "kollarm.yml").release


def test_the_schema_that_the_file_names_is_beside_it(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["init", "--guest", "none"]) == 0
    text = (folder / "kollarm.yml").read_text("utf-8")
    named = re.match(r"# yaml-language-server: \$schema=(\S+)\n", text)
    assert named
    written = json.loads((folder / named[1]).read_text("utf-8"))
    capsys.readouterr()
    assert main(["config", "schema"]) == 0
    assert json.loads(capsys.readouterr().out) == written
    assert {*yaml.safe_load(text)} <= {*written["properties"]}
    assert written["properties"]["release"]["description"]


def test_on_a_terminal_it_asks(folder: Path) -> None:
    child, terminal = pty.fork()
    if child == 0:
        os.execv(sys.executable, [sys.executable, "-m", "kollarm.cli.main", "init"])
    os.write(terminal, b"2025.1\nnone\nregistry.example:5000\nmycloud\n")
    try:
        while os.read(terminal, 1024):
            pass
    except OSError:
        pass
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    config = load(folder / "kollarm.yml")
    assert (config.release, config.guests) == ("2025.1", [])
    assert (config.registry.address, config.cloud.name) == ("registry.example:5000", "mycloud")
