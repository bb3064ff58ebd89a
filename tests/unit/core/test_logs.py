"""The log of each run."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from core import logs
from core.paths import log_dir


def test_a_new_log_stays_though_the_clock_was_ahead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    folder = log_dir()
    folder.mkdir(parents=True)
    for number in range(logs.KEEP + 9):
        (folder / f"2099{number:04}-000000-build-1.log").write_text("of a clock that was ahead")
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    own = logs.start("build")
    for handler in set(root.handlers) - set(before):
        root.removeHandler(handler)
        handler.close()
    root.setLevel(level)
    assert own is not None and own.exists()
    assert len(list(folder.glob("*.log"))) == logs.KEEP
