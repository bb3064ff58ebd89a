"""When a build's compiled requirements may be installed for this machine too."""

from __future__ import annotations

import runpy
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

SCRIPT: dict[str, Any] = runpy.run_path(
    str(files("builder.native") / "data" / "with_native_modules.py")
)
#: As Kolla calls pip.
KOLLA = ["-m", "pip", "--no-cache-dir", "install", "--upgrade", "-c"]


def distribution(folder: Path, *names: str) -> Path:
    """An installed distribution of empty files."""
    info = folder / "probe-1.dist-info"
    info.mkdir(parents=True)
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(str(folder))
    listed = [*names, "../../../bin/probe"]  # a program, which pip has put elsewhere
    (info / "RECORD").write_text("".join(f'"{name}",sha256=x,1\n' for name in listed))
    return info


def test_kollas_command_line_names_no_index(tmp_path: Path) -> None:
    constraints = tmp_path / "upper-constraints.txt"
    constraints.write_text("cffi===2.0.0\n")
    assert SCRIPT["index_is_known"]([*KOLLA, str(constraints), "/nova"])


@pytest.mark.parametrize(
    "words",
    [
        ["-i", "https://pypi.example.org"],
        ["--index-url=https://pypi.example.org"],
        ["--extra-index-url", "https://pypi.example.org"],
        ["--index", "https://pypi.example.org"],
        ["-f", "/wheels"],
        ["-f/wheels"],
        ["--find-links=/wheels"],
        ["--no-index"],
        ["--isolated"],
    ],
)
def test_packages_from_elsewhere_are_not_looked_for(words: list[str]) -> None:
    assert not SCRIPT["index_is_known"](["pip", "install", *words, "nova"])


@pytest.mark.parametrize("line", ["-i https://pypi.example.org", " --find-links /wheels"])
@pytest.mark.parametrize("option", ["-c", "--requirement"])
def test_files_that_name_an_index_count_too(option: str, line: str, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text(f"cffi===2.0.0\n{line}\n")
    assert not SCRIPT["index_is_known"](["pip", "install", option, str(tmp_path / "list.txt")])


def test_native_modules_stand_beside_the_images(tmp_path: Path) -> None:
    common = ("probe/__init__.py", "probe/include/config.h")
    info = distribution(tmp_path / "own", *common, "_p.cpython-313-aarch64-linux-gnu.so")
    distribution(
        tmp_path / "native", *common, "_p.cpython-313-x86_64-linux-gnu.so", "probe.libs/libp.so.1"
    )
    assert [*SCRIPT["compiled"]([tmp_path / "own"])] == [info]
    SCRIPT["put_beside"]([info], tmp_path / "native")
    for name in common:
        assert (tmp_path / "own" / name).read_text() == str(tmp_path / "own")
    for name in ("_p.cpython-313-x86_64-linux-gnu.so", "probe.libs/libp.so.1"):
        assert (tmp_path / "own" / name).read_text() == str(tmp_path / "native")


def test_a_module_of_the_same_name_is_refused(tmp_path: Path) -> None:
    info = distribution(tmp_path / "own", "_p.abi3.so")
    distribution(tmp_path / "native", "_p.abi3.so")
    with pytest.raises(ValueError, match=r"_p\.abi3\.so"):
        SCRIPT["put_beside"]([info], tmp_path / "native")


def test_what_is_not_compiled_needs_nothing(tmp_path: Path) -> None:
    distribution(tmp_path, "probe/__init__.py")
    assert [*SCRIPT["compiled"]([tmp_path])] == []
