"""Work in threads: every outcome is known, and an interruption ends what they run."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from core import side_by_side
from core.errors import CommandError
from core.run import run


def interrupt_with_two_files(folder: Path) -> None:
    """Interrupt this process, whatever its main thread waits for, once two files are there."""

    def interrupt() -> None:
        while len(list(folder.iterdir())) < 2:
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()


def test_each_outcome_has_its_place() -> None:
    def halved(number: int) -> int:
        if number % 2:
            raise ValueError(number)
        return number // 2

    outcomes = side_by_side.each(halved, [4, 3, 2], 2)
    assert outcomes[0] == 2 and outcomes[2] == 1
    assert isinstance(outcomes[1], ValueError)


def test_no_more_than_so_many_at_a_time() -> None:
    running, most, lock = [0], [0], threading.Lock()

    def work(_: int) -> None:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        time.sleep(0.01)
        with lock:
            running[0] -= 1

    side_by_side.each(work, range(8), 3)
    assert most[0] == 3


def test_an_interruption_ends_what_runs_and_starts_nothing(tmp_path: Path) -> None:
    """Also what a thread would try again after the failure."""
    cleaned = []

    def work(name: str) -> None:
        try:
            run(["touch", tmp_path / name])
            run(["sleep", "1000"])
        except CommandError:
            run(["touch", tmp_path / f"{name}-again"])
        finally:
            cleaned.append(name)

    interrupt_with_two_files(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        side_by_side.each(work, ["a", "b", "c"], 2)
    assert sorted(cleaned) == ["a", "b"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_a_thread_of_no_crew_is_left_alone() -> None:
    with side_by_side.running(lambda: pytest.fail("ended")):
        pass


def test_an_interruption_reaches_work_within_work(tmp_path: Path) -> None:
    def work(name: str) -> None:
        run(["touch", tmp_path / name])
        run(["sleep", "1000"])

    interrupt_with_two_files(tmp_path)
    with (
        pytest.raises(KeyboardInterrupt),
        side_by_side.beside(lambda: side_by_side.each(work, ["a", "b", "c"], 2)),
    ):
        run(["sleep", "1000"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_what_runs_beside_is_waited_for_where_the_block_fails() -> None:
    ended = []

    def work() -> None:
        time.sleep(0.05)
        ended.append(True)

    with pytest.raises(KeyError), side_by_side.beside(work):
        raise KeyError
    assert ended == [True]


def test_a_failure_of_what_runs_beside_is_raised_after_the_block() -> None:
    ended = []

    def work() -> None:
        raise KeyError

    with pytest.raises(KeyError), side_by_side.beside(work):
        time.sleep(0.05)
        ended.append(True)
    assert ended == [True]
