"""A wheel, installed apart from the checkout, works in any folder."""

from __future__ import annotations

import os
import site
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from core.paths import project_dir
from tests.support import guest_disks
from tests.support.packaging import apart, source

pytestmark = pytest.mark.integration

PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built by the newest setuptools, which finds nothing old-fashioned."""
    folder = tmp_path_factory.mktemp("wheel")
    words: list[str | Path] = [*PIP, "wheel", "--verbose", "--no-deps", "-w", folder]
    done = subprocess.run(
        [*words, source(folder / "source")], check=True, capture_output=True, text=True
    )
    assert "Deprecat" not in done.stdout + done.stderr
    [wheel] = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def prefix(wheel: Path) -> Path:
    """A virtual environment with the wheel; what it depends on is this one's."""
    prefix = wheel.parent / "installed"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", prefix], check=True)
    words: list[str | Path] = [
        "--python",
        prefix / "bin/python",
        "install",
        "-q",
        "--no-deps",
        "--ignore-installed",
    ]
    subprocess.run([*PIP, *words, wheel], check=True, env=apart())
    packages = site_packages(prefix)
    others = [path for path in site.getsitepackages() if Path(path).is_dir()]
    (packages / "others.pth").write_text("\n".join(others) + "\n", "utf-8")
    return prefix


def site_packages(prefix: Path) -> Path:
    [packages] = (prefix / "lib").glob("python*/site-packages")
    return packages


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


def test_its_python_runs_it_as_a_module(prefix: Path, tmp_path: Path) -> None:
    words: list[str | Path] = [prefix / "bin/python", "-m", "kollarm", "--version"]
    done = subprocess.run(words, cwd=tmp_path, env=apart(), capture_output=True, check=True)
    assert b"version" in done.stdout


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


def test_it_takes_no_name_but_its_own(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.partition("/")[0] for name in archive.namelist()}
    [package] = {top for top in tops if not top.endswith((".dist-info", ".data"))}
    assert package == "kollarm"


def test_another_package_of_a_general_name_is_let_be(prefix: Path, tmp_path: Path) -> None:
    for name in ("core", "builder", "guestprep", "deploy"):
        other = site_packages(prefix) / name / "__init__.py"
        other.parent.mkdir()
        other.write_text("raise ImportError('this is another program')", "utf-8")
    assert "ca-certificates" in kollarm(prefix, tmp_path, "overlays", "list")


def test_it_prepares_a_guest(prefix: Path, tmp_path: Path) -> None:
    prepared = guest_disks.project(tmp_path)
    kollarm(prefix, tmp_path, "guest", "prepare")
    assert prepared.is_file()
