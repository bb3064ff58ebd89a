"""pipx installs it as docs/install.md says, with the distribution's module for guest images."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from core import venv
from core.version import __version__
from tests.support.packaging import apart, source

pytestmark = [pytest.mark.integration, pytest.mark.full]


def test_it_is_installed_for_a_user(tmp_path: Path) -> None:
    pipx = venv.environment("pipx", ["pipx"]) / "bin/pipx"
    environment = apart(
        PIPX_HOME=str(tmp_path / "home"),
        PIPX_BIN_DIR=str(tmp_path / "bin"),
        PIPX_MAN_DIR=str(tmp_path / "man"),
    )
    folder = tmp_path / "elsewhere"
    folder.mkdir()

    def run(*words: str | Path) -> str:
        done = subprocess.run(
            words, cwd=folder, env=environment,
            capture_output=True, text=True, check=False, timeout=1200,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    options = ["--python", "/usr/bin/python3", "--system-site-packages"]
    run(pipx, "install", *options, source(tmp_path / "kollarm"))
    kollarm = tmp_path / "bin/kollarm"
    assert f"version {__version__}" in run(kollarm, "--version")
    assert "ca-certificates:" in run(kollarm, "overlays", "list")
    run(kollarm, "init")
    assert (folder / "kollarm.yml").is_file()
    assert (tmp_path / "man/man1/kollarm.1").is_file()
    [python] = (tmp_path / "home").glob("venvs/kollarm/bin/python")
    run(python, "-c", "import guestfs")
