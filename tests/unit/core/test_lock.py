"""One run at a time in a state folder, and what a second one is told."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from core import lock
from core.errors import KollarmError
from kollarm.cli.main import main

HOLDER = """
import sys, time
from pathlib import Path
from core import lock
with lock.held(Path(sys.argv[1]), "kollarm images"):
    print("has it", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, tmp_path], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "has it\n"
    yield process
    process.kill()
    process.wait()


def test_a_second_run_is_told_of_the_first(
    tmp_path: Path, holder: subprocess.Popen[str], capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "kollarm.yml"
    config.write_text(f"state_dir: {tmp_path}\n")
    assert main(["build", "--config", str(config)]) == 1
    said = capsys.readouterr().err
    assert f"another run uses {tmp_path}: process {holder.pid} (kollarm images), since 2" in said
    assert f"kill {holder.pid}" in said


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_run_that_was_killed_holds_nothing(
    tmp_path: Path, holder: subprocess.Popen[str], number: signal.Signals
) -> None:
    holder.send_signal(number)
    holder.wait()
    with lock.locked(tmp_path / lock.NAME):
        pass  # what ends its programs has it for a moment longer
    with lock.held(tmp_path, "kollarm build"):
        assert str(os.getpid()) in (tmp_path / lock.NAME).read_text()
    assert (tmp_path / lock.NAME).read_text() == ""


def test_the_lock_is_not_inherited_by_what_a_run_starts(tmp_path: Path) -> None:
    with lock.held(tmp_path, "kollarm build"):
        left_running = subprocess.Popen(["sleep", "60"], close_fds=False)
    try:
        with lock.held(tmp_path, "kollarm build"):
            pass
    finally:
        left_running.kill()
        left_running.wait()


def test_a_state_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(KollarmError, match=r"state folder .* can't be written") as caught,
        lock.held(tmp_path / "file" / "state", "kollarm build"),
    ):
        pass
    assert caught.value.hint is not None and "state_dir" in caught.value.hint
