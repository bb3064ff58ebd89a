"""The manual page and the completions that a wheel brings fit the commands."""

from __future__ import annotations

import subprocess

from core.paths import project_dir
from kollarm.cli.main import cli
from kollarm.cli.shared_files import manual_page, shared_files


def test_they_are_up_to_date() -> None:
    """Else: ``python -m kollarm.cli.shared_files share``."""
    folder = project_dir() / "share"
    present = {
        str(path.relative_to(folder)): path.read_text("utf-8")
        for path in folder.rglob("*")
        if path.is_file()
    }
    assert present == shared_files()


def test_the_manual_page_has_every_command() -> None:
    page = manual_page()
    for name in cli.lazy:
        assert f".SS kollarm {name} " in page


def test_the_manual_page_is_sound() -> None:
    done = subprocess.run(
        ["groff", "-man", "-ww", "-z", "-Tutf8", "-K", "utf8"],
        input=manual_page(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stderr == ""
