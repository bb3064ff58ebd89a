"""A wheel, installed apart from the checkout, works in any folder."""

from __future__ import annotations

import os
import site
import subprocess
import sys
from pathlib import Path

import pytest

from core.paths import project_dir

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the wheel; what it depends on is this one's."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    subprocess.run(["git", "clone", "-q", project_dir(), source], check=True)
    pip = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "-w", folder, source], check=True)
    [wheel] = folder.glob("*.whl")
    prefix = folder / "installed"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", prefix], check=True)
    words: list[str | Path] = [
        "--python",
        prefix / "bin/python",
        "install",
        "--no-deps",
        "--ignore-installed",
    ]
    subprocess.run([*pip, *words, wheel], check=True, env=apart())
    [packages] = (prefix / "lib").glob("python*/site-packages")
    others = [path for path in site.getsitepackages() if Path(path).is_dir()]
    (packages / "others.pth").write_text("\n".join(others) + "\n", "utf-8")
    return prefix


def apart() -> dict[str, str]:
    """This process's environment, without the checkout."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def kollarm(prefix: Path, folder: Path, *words: str) -> str:
    done = subprocess.run(
        [prefix / "bin/kollarm", *words],
        cwd=folder, env=apart(), capture_output=True, text=True, check=False, timeout=1200,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_has_the_overlays(prefix: Path, tmp_path: Path) -> None:
    listed = kollarm(prefix, tmp_path, "overlays", "list")
    for overlay in (project_dir() / "dockerfile_overlays").iterdir():
        assert f"{overlay.name}:" in listed


def test_it_checks_them(prefix: Path, tmp_path: Path) -> None:
    assert "no overlays" not in kollarm(prefix, tmp_path, "lint")


def test_a_first_configuration_is_written(prefix: Path, tmp_path: Path) -> None:
    kollarm(prefix, tmp_path, "init")
    assert str(tmp_path / ".kollarm") in kollarm(prefix, tmp_path, "config", "show")


def test_it_has_what_a_shell_and_a_reader_look_for(prefix: Path) -> None:
    share = prefix / "share"
    assert (share / "man/man1/kollarm.1").is_file()
    assert (share / "bash-completion/completions/kollarm").is_file()
    assert (share / "kollarm/examples/quickstart.yml").is_file()
    assert os.access(share / "kollarm/scripts/setup-engine", os.X_OK)


def test_it_has_neither_tests_nor_the_test_bed(prefix: Path) -> None:
    [packages] = (prefix / "lib").glob("python*/site-packages")
    assert not {"tests", "testbed"} & {path.name for path in packages.iterdir()}
