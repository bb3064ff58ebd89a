"""Steps on standard error, and figures for people."""

from __future__ import annotations

import io
import threading

import pytest
from rich.console import Console

from core.progress import Progress, duration, size


def test_steps_side_by_side_are_equally_deep() -> None:
    stream = io.StringIO()
    progress = Progress(Console(file=stream, width=100))
    begun = threading.Barrier(2)

    def work(name: str) -> None:
        with progress.step(name):
            begun.wait(10)
            with progress.step("part"):
                begun.wait(10)

    with progress.step("both"):
        threads = [threading.Thread(target=work, args=(name,)) for name in ("one", "other")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    lines = stream.getvalue().splitlines()
    assert {line for line in lines if line.endswith("…")} == {
        "both …", "  one …", "  other …", "    one: part …", "    other: part …",
    }  # fmt: skip


def test_progress_without_a_terminal_prints_starts_and_ends() -> None:
    stream = io.StringIO()
    progress = Progress(Console(file=stream, width=100))
    with progress.step("outer"), progress.step("inner") as step:
        step.note("3 of 5")
    lines = stream.getvalue().splitlines()
    assert lines[0] == "outer …"
    assert lines[1] == "  inner …"
    assert lines[2].startswith("  ✓ inner: 3 of 5 (")
    assert lines[3].startswith("✓ outer (")


def test_a_failed_step_is_marked() -> None:
    stream = io.StringIO()
    with pytest.raises(ValueError), Progress(Console(file=stream)).step("work"):
        raise ValueError
    assert "✗ work" in stream.getvalue()


def test_a_step_can_fail_without_an_exception() -> None:
    stream = io.StringIO()
    with Progress(Console(file=stream)).step("work") as step:
        step.fail()
    assert "✗ work" in stream.getvalue()


def test_figures_read_as_people_say_them() -> None:
    assert [duration(s) for s in (0.44, 12.2, 185)] == ["0.4 s", "12 s", "3 min 05 s"]
    assert [size(n) for n in (512, 3.4 * 1024**2)] == ["512 B", "3.4 MiB"]
