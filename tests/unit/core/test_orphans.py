"""Programs end with the process that started them, even when it is killed outright."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from core import lock, orphans
from core.processes import group_lives
from core.run import run

#: Runs a program with a child of its own, in the main thread or in another one. The program
#: begins with what it reads, which it gets when the guard knows it.
STARTER = """
import sys, threading
from contextlib import nullcontext
from pathlib import Path
from core import lock
from core.run import run
program = '''read -r begin; trap 'sleep 0.5; exit' TERM; sleep 60 & echo $$ >"$1"; wait'''
def work():
    run(["sh", "-c", program, "sh", sys.argv[1]], stdin=b"begin\\n")
with lock.held(Path(sys.argv[2]), "kollarm deploy") if sys.argv[2] else nullcontext():
    if sys.argv[3] == "thread":
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    else:
        work()
"""


@pytest.mark.parametrize("where", ["main", "thread"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_nothing_lives_on_after_a_signal(
    tmp_path: Path, number: signal.Signals, where: str
) -> None:
    process, group = start(tmp_path, "", where)
    process.send_signal(number)
    process.wait()
    await_end(group)


def test_the_lock_stays_until_the_programs_have_ended(tmp_path: Path) -> None:
    process, group = start(tmp_path, str(tmp_path), "main")
    process.kill()
    process.wait()
    assert group_lives(group)
    with lock.held(tmp_path, "kollarm deploy"):
        assert not group_lives(group)


def test_what_has_ended_is_not_touched() -> None:
    guard = orphans.Guard()
    ended = subprocess.Popen(["true"], start_new_session=True)
    lives = subprocess.Popen(["sleep", "60"], start_new_session=True)
    with guard.watching(lives.pid), guard.watching(ended.pid):
        ended.wait()
    guard.close()
    assert lives.poll() is None
    lives.kill()
    lives.wait()


def test_a_program_that_ignores_its_end_is_killed() -> None:
    guard = orphans.Guard(grace=1)
    stubborn = subprocess.Popen(
        ["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 60; done"],
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert stubborn.stdout is not None and stubborn.stdout.readline()
    watching = guard.watching(stubborn.pid)
    watching.__enter__()
    guard.close()
    assert stubborn.wait(5) == -signal.SIGKILL


def test_commands_run_though_their_guard_was_killed(tmp_path: Path) -> None:
    with lock.held(tmp_path, "kollarm build"):
        orphans.current()._process.kill()
        orphans.current()._process.wait()
        assert run(["echo", "x"]).stdout == "x\n"


def start(tmp_path: Path, state: str, where: str) -> tuple[subprocess.Popen[bytes], int]:
    """A process that runs a program, and the program's process group."""
    told = tmp_path / "group"
    process = subprocess.Popen([sys.executable, "-c", STARTER, told, state, where])
    while not told.exists() or not told.read_text("utf-8").strip():
        assert process.poll() is None
        time.sleep(0.02)
    return process, int(told.read_text("utf-8"))


def await_end(group: int) -> None:
    for _ in range(6000):
        if not group_lives(group):
            return
        time.sleep(0.02)
    pytest.fail("a program outlived its starter")
