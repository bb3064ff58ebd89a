"""The house in order: style, types, and who may import whom."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.paths import project_dir


@pytest.mark.parametrize(
    "words", [("ruff", "check", "."), ("ruff", "format", "--check", "."), ("mypy",)]
)
def test_linters_find_nothing(words: tuple[str, ...]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *words],
        cwd=project_dir(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def imports(path: Path) -> Iterator[str]:
    """The top-level packages that a file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


@pytest.mark.parametrize(("package", "other"), [("builder", "guestprep"), ("guestprep", "builder")])
def test_images_and_guests_know_nothing_of_each_other(package: str, other: str) -> None:
    files = list((project_dir() / package).rglob("*.py"))
    assert len(files) > 10
    assert [str(path) for path in files if other in imports(path)] == []
