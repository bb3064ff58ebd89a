"""Reading lists of versions."""

from __future__ import annotations

import io
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from builder.constraints.check import names_in, python_of, read, warnings
from builder.facts import ImageSource
from core.config.model import Architecture, BaseImage, Bootstrap, Build, Config
from tests.support import build_targets
from tests.support.pip_images import service_tree

TEXT = "# comment\noslo.log===8.1.0\nDjango_Redis==6.0\nsix>=1; python_version < '3'\n"


def test_names_are_compared_as_pypi_does() -> None:
    assert names_in(TEXT) == {"oslo-log", "django-redis", "six"}


@pytest.mark.parametrize("root", ["requirements/", "./requirements-9.1/"])
def test_a_list_is_found_in_folders_and_archives(root: str, tmp_path: Path) -> None:
    (tmp_path / "upper-constraints.txt").write_text(TEXT)
    assert read(ImageSource("x", "local", str(tmp_path))) == TEXT
    archive = tmp_path / "list.tar.gz"
    with tarfile.open(archive, "w:gz") as packed:
        for name, text in (
            (f"{root}doc/upper-constraints.txt", "not this one"),
            (f"{root}upper-constraints.txt", TEXT),
        ):
            member = tarfile.TarInfo(name)
            member.size = len(text)
            packed.addfile(member, io.BytesIO(text.encode()))
    assert read(ImageSource("x", "local", str(archive))) == TEXT


def test_no_list_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no archive")
    for name in ("file", "missing", "."):
        assert read(ImageSource("x", "local", str(tmp_path / name))) is None


@pytest.mark.parametrize(
    ("tag", "version"),
    [("trixie-20261101-slim", "3.13"), ("24.04", "3.12"), ("9", "3.9"), ("sid", None)],
)
def test_the_base_tells_the_python(tag: str, version: str | None) -> None:
    tree = build_targets.tree(Architecture.X86_64)
    assert python_of(Config(build=Build(base=BaseImage(tag=tag))), tree) == version
    assert python_of(Config(), tree) == "3.13"
    bootstrap = BaseImage(bootstrap=Bootstrap(suite="bookworm"))
    assert python_of(Config(build=Build(base=bootstrap)), tree) == "3.11"


def test_sources_that_are_missing_are_left_to_their_fetching(tmp_path: Path) -> None:
    (tmp_path / "upper-constraints.txt").write_bytes(b"six===1.0 # \xff\n")
    constraints = ImageSource("openstack-base", "local", str(tmp_path))
    assert "six" in names_in(read(constraints) or "")
    made = service_tree(tmp_path, ImageSource("nova-base", "local", str(tmp_path / "nova")))
    made.images["openstack-base"] = replace(made.images["openstack-base"], source=constraints)
    assert (
        warnings(Config(), {Architecture.X86_64: made}, {Architecture.X86_64: ["nova-base"]}) == []
    )
