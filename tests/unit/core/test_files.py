"""Files that appear whole."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from core import files


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "target"
    files.write(target, "old")
    with pytest.raises(RuntimeError), files.atomic(target) as work:
        work.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o027, 0o077])
@pytest.mark.parametrize("mode", [0o644, 0o600])
def test_a_file_keeps_to_the_umask(tmp_path: Path, mode: int, umask: int) -> None:
    before = os.umask(umask)
    try:
        files.write(tmp_path / "new", "x", mode=mode)
        with files.atomic(tmp_path / "remade", mode=mode) as work:
            work.unlink()  # some programs write a file of their own
            work.write_text("x")
    finally:
        os.umask(before)
    for name in ("new", "remade"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == mode & ~umask


def test_content_is_on_the_disk_before_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, steps = tmp_path / "target", []

    def fsync(handle: int) -> None:
        steps.append((Path(f"/proc/self/fd/{handle}").readlink().suffix, target.exists()))

    monkeypatch.setattr(os, "fsync", fsync)
    files.write(target, "x")
    assert steps == [(".part", False), ("", True)]


def test_a_private_folder_is_its_owners_alone(tmp_path: Path) -> None:
    new, old = tmp_path / "a" / "new", tmp_path / "old"
    old.mkdir(mode=0o755)
    assert stat.S_IMODE(files.private_folder(new).stat().st_mode) == 0o700
    # Who gave others access keeps it so.
    assert stat.S_IMODE(files.private_folder(old).stat().st_mode) == 0o755
