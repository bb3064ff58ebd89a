"""Signals end a run once, and whatever is cleaned up then is cleaned up whole."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from core.processes import group_lives

#: A command that waits, and takes its time to clean up, in three ways.
COMMAND = """
import contextlib, sys, time
import click
from core import progress
from kollarm.cli.main import script

@contextlib.contextmanager
def made():
    try:
        yield
    finally:
        time.sleep(0.3)
        print("left the block", file=sys.__stdout__, flush=True)

@click.command()
def command():
    with progress.current().step("work"), made():
        try:
            print("ready", file=sys.__stdout__, flush=True)
            time.sleep(60)
        except BaseException:
            try:
                raise OSError("while cleaning up")
            except OSError:
                time.sleep(0.3)
                print("handled", file=sys.__stdout__, flush=True)
            raise
        finally:
            time.sleep(0.3)
            print("finally", file=sys.__stdout__, flush=True)

script(command)
"""

#: A command that runs a program.
RUNNER = """
import sys
import click
from core.run import run
from kollarm.cli.main import script

@click.command()
def command():
    program = 'read -r begin; echo $$ >"$1"; sleep 60'
    run(["sh", "-c", program, "sh", PLACE], stdin=b"begin\\n")

PLACE = sys.argv.pop()
script(command)
"""


#: The tests themselves may run under nohup, which a command respects.
DEFAULT = "import signal; signal.signal(signal.SIGHUP, signal.SIG_DFL)\n"


def start(code: str, *words: str | Path, **options: object) -> subprocess.Popen[str]:
    return subprocess.Popen(  # type: ignore[call-overload,no-any-return]
        [sys.executable, "-c", DEFAULT + code, *words], stdout=subprocess.PIPE, text=True, **options
    )


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 130), (signal.SIGHUP, 129)]
)
def test_more_signals_do_not_cut_cleaning_short(number: signal.Signals, status: int) -> None:
    process = start(COMMAND, stderr=subprocess.PIPE)
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    while process.poll() is None:
        process.send_signal(number)
        time.sleep(0.05)
    out, said = process.communicate()
    assert out.split("\n") == ["handled", "finally", "left the block", ""]
    assert process.returncode == status
    assert "still cleaning up" in said and "Traceback" not in said


def test_a_run_that_lost_its_terminal_cleans_up() -> None:
    leader, terminal = os.openpty()
    process = start(COMMAND, stderr=terminal, start_new_session=True)
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    os.close(terminal)
    os.close(leader)  # every write to it fails from now on
    process.send_signal(signal.SIGHUP)
    assert process.communicate()[0].split() == ["handled", "finally", "left", "the", "block"]
    assert process.returncode == 129


def test_nohup_is_respected() -> None:
    process = start(f"import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n{COMMAND}")
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGHUP)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(1)
    process.terminate()
    process.wait()


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM, signal.SIGKILL])
def test_no_program_outlives_the_command(tmp_path: Path, number: signal.Signals) -> None:
    place = tmp_path / "group"
    process = start(RUNNER, place)
    while not place.exists() or not place.read_text("utf-8").strip():
        time.sleep(0.02)
    process.send_signal(number)
    process.wait()
    for _ in range(6000):
        if not group_lives(int(place.read_text("utf-8"))):
            return
        time.sleep(0.02)
    pytest.fail("the program outlived the command")
