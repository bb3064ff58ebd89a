"""Folders of sockets in /tmp: those of killed runs go, those of others aren't touched."""

from __future__ import annotations

import fcntl
import os
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.sockets import PATH_LIMIT, socket_folder, temporary_base

PREFIX = "kollarm-boot-"


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of temporary files that other users can write to, too."""
    # Short, as sockets are made in it.
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o1777)
        monkeypatch.setattr(tempfile, "tempdir", name)
        yield folder


def old(folder: Path) -> None:
    os.utime(folder, (0, 0), follow_symlinks=False)


def leftover(shared: Path, name: str = "killed", mode: int = 0o700) -> Path:
    folder = shared / f"{PREFIX}{name}"
    folder.mkdir()
    folder.chmod(mode)
    return folder


def test_the_folder_is_private_and_goes(shared: Path) -> None:
    with socket_folder(PREFIX) as folder:
        assert folder.parent == shared
        assert folder.stat().st_mode & 0o777 == 0o700
    assert not list(shared.iterdir())


def test_a_killed_runs_folder_is_removed(shared: Path) -> None:
    folder = leftover(shared)
    (folder / "lock").touch()
    (folder / "screen.png").touch()
    old(folder)
    with socket_folder(PREFIX):
        assert not folder.exists()


def test_a_folder_in_use_stays(shared: Path) -> None:
    folder = leftover(shared)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        old(folder)
        with socket_folder(PREFIX):
            assert folder.exists()


def test_a_young_folder_stays(shared: Path) -> None:
    folder = leftover(shared)
    (folder / "lock").touch()
    with socket_folder(PREFIX):
        assert folder.exists()


def a_link(folder: Path, victim: Path) -> None:
    (folder / "lock").symlink_to(victim)


def a_pipe(folder: Path, victim: Path) -> None:
    os.mkfifo(folder / "lock")


def nothing(folder: Path, victim: Path) -> None:
    """No lock: it must not be made for somebody else."""


def a_file(folder: Path, victim: Path) -> None:
    (folder / "lock").touch()


TRAPS: list[Callable[[Path, Path], None]] = [a_link, a_pipe, nothing, a_file]


@pytest.mark.parametrize("trap", TRAPS)
@pytest.mark.parametrize("owner", ["nobody", "everybody", "link"])
def test_others_folders_do_no_harm(
    shared: Path, tmp_path: Path, trap: Callable[[Path, Path], None], owner: str
) -> None:
    victim = tmp_path / "victim"
    if owner == "link":
        place = tmp_path / "elsewhere"
        place.mkdir()
        (shared / f"{PREFIX}trap").symlink_to(place)
    else:
        place = leftover(shared, "trap", 0o755 if owner == "nobody" else 0o777)
    trap(place, victim)
    if owner == "nobody" and os.geteuid() == 0:
        os.chown(place, 65534, 65534)
    old(place)
    before = sorted(path.name for path in place.iterdir())
    with socket_folder(PREFIX):
        pass
    assert not victim.exists()
    assert sorted(path.name for path in place.iterdir()) == before


@pytest.mark.parametrize("trap", [a_link, a_pipe])
def test_a_trap_in_a_folder_of_ones_own_does_no_harm(
    shared: Path, tmp_path: Path, trap: Callable[[Path, Path], None]
) -> None:
    victim = tmp_path / "victim"
    folder = leftover(shared)
    trap(folder, victim)
    old(folder)
    with socket_folder(PREFIX):
        pass
    assert not victim.exists()


@pytest.mark.parametrize("length", [10, 50, 57, 58, 80, 200])
def test_sockets_fit_whatever_the_folder_of_temporary_files(
    length: int, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = str(shared / ("x" * (length - len(str(shared)) - 1))) if length > 20 else str(shared)
    Path(long).mkdir(exist_ok=True)
    monkeypatch.setattr(tempfile, "tempdir", long)
    with socket_folder(PREFIX) as folder, socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(folder / "a-socket-of-20-chars"))
        assert len(str(folder / "a-socket-of-20-chars")) <= PATH_LIMIT
    assert (temporary_base() == Path(long)) == (len(long) <= PATH_LIMIT - 50)
