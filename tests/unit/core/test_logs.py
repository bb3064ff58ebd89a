"""The log of each run."""

from __future__ import annotations

import logging
import stat
from pathlib import Path

import pytest

from core import logs
from core.paths import log_dir
from tests.support.run_logs import started


def test_a_new_log_stays_though_the_clock_was_ahead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    folder = log_dir()
    folder.mkdir(parents=True)
    for number in range(logs.KEEP + 9):
        (folder / f"2099{number:04}-000000-build-1.log").write_text("of a clock that was ahead")
    with started("build") as own:
        assert own.exists()
    assert len(list(folder.glob("*.log"))) == logs.KEEP


def test_a_log_is_its_owners_alone_and_has_no_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with started("build") as path:
        logging.getLogger("core.run").debug("run: git clone %s", "https://ann:planted@host/x")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert "planted" not in path.read_text()


@pytest.mark.parametrize("library", ["websockets.client", "a.library.of.tomorrow", "urllib3"])
def test_the_details_of_libraries_are_not_logged(
    library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with started("proof") as path:
        logging.getLogger(library).debug("> GET /?token=planted")
        logging.getLogger(library).warning("out of memory")
        logging.getLogger("guestprep.appliance.client").debug("a detail")
    text = path.read_text()
    assert "planted" not in text
    assert "out of memory" in text and "a detail" in text


def test_a_programs_log_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "base.log"
    path.write_text("an earlier one\n")
    path.chmod(0o644)
    with logs.LogFile(path) as stream:
        print("http_proxy=http://ann:planted@proxy:3128", file=stream)
        assert path.read_text() == "http_proxy=http://ann:***@proxy:3128\n"
        print("\udcff", file=stream)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
