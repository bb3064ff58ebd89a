"""Running commands, the cache by content, files that appear whole, progress."""

from __future__ import annotations

import io
import logging
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from rich.console import Console

from core import cache, files, logs, trust
from core.errors import CommandError, ConfigError
from core.paths import log_dir
from core.progress import Progress, duration, size
from core.run import run, which


def test_a_command_gives_its_output() -> None:
    done = run(["sh", "-c", "echo out; echo err >&2"])
    assert (done.stdout, done.stderr, done.status) == ("out\n", "err\n", 0)


def test_commands_that_only_roots_shell_finds_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    assert "depmod" in run(["depmod", "--help"]).stdout
    assert which("depmod") is not None


def test_a_command_reads_nothing_unless_given() -> None:
    assert run(["cat"]).stdout == ""
    assert run(["cat"], stdin=b"given").stdout == "given"


def test_a_failed_command_tells_its_argv_status_and_last_lines() -> None:
    with pytest.raises(CommandError) as caught:
        run(["sh", "-c", "echo 'no room' >&2; exit 3"])
    assert caught.value.status == 3
    assert caught.value.details is not None
    assert "no room" in caught.value.details and "sh -c" in caught.value.details


def test_a_missing_command_is_said_to_be_missing() -> None:
    with pytest.raises(CommandError, match="command not found"):
        run(["kollarm-has-no-such-command"])


def test_a_program_for_another_machine_is_explained(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_bytes(b"\x7fELF\x02\x01\x01" + b"\0" * 11 + b"\xff\xfe" + b"\0" * 50)
    program.chmod(0o755)
    with pytest.raises(CommandError, match="another architecture"):
        run([program])


def test_a_command_out_of_time_is_ended_with_its_children(tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    with pytest.raises(CommandError, match="not finished"):
        run(["sh", "-c", f"sleep 60 & echo $! > {mark}; wait"], timeout=0.5)
    child = int(mark.read_text())
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{child}/stat").read_text().split()[2]
        except FileNotFoundError:
            return
        if state == "Z":
            return
        time.sleep(0.05)
    pytest.fail("the child outlived its parent")


def test_a_command_reads_a_file_and_is_ended_from_another_thread(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("content")
    with (tmp_path / "file").open("rb") as stream:
        assert run(["cat"], stdin=stream).stdout == "content"
    began = time.monotonic()
    with pytest.raises(CommandError):
        run(["sleep", "60"], on_start=lambda end: threading.Timer(0.1, end).start())
    assert time.monotonic() - began < 30


def test_lines_are_seen_while_the_command_runs() -> None:
    seen: list[str] = []
    run(["sh", "-c", "echo one; echo two"], on_line=seen.append)
    assert seen == ["one", "two"]


def test_a_cache_entry_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KOLLARM_CACHE", str(tmp_path))
    made: list[Path] = []

    def make(folder: Path) -> None:
        time.sleep(0.2)
        made.append(folder)
        (folder / "file").write_text("content")

    results: list[Path] = []
    threads = [
        threading.Thread(target=lambda: results.append(cache.entry("kind", "name", make)))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert {(path / "file").read_text() for path in results} == {"content"}


def test_a_failed_cache_entry_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KOLLARM_CACHE", str(tmp_path))

    def make(folder: Path) -> None:
        (folder / "half").touch()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.entry("kind", "name", make)
    assert [path.name for path in (tmp_path / "kind").iterdir()] == [".name.lock"]


#: Asks for an entry, whose times are then set back by some days; waits for input if told to.
ASKING = """
import os, sys, time
from core import cache
name, days, wait = sys.argv[1:]
folder = cache.entry("kind", name, lambda folder: None, lifetime=30 * 86400.0)
for mark in folder.iterdir():
    os.utime(mark, (time.time() - float(days) * 86400,) * 2)
print(folder, flush=True)
wait and sys.stdin.read()
"""


def test_entries_that_nobody_asks_for_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KOLLARM_CACHE", str(tmp_path))

    def asked(name: str, *, days_ago: float) -> Path:
        argv = [sys.executable, "-c", ASKING, name, str(days_ago), ""]
        return Path(subprocess.run(argv, capture_output=True, text=True, check=True).stdout[:-1])

    old, used, young = (asked(name, days_ago=0) for name in ("old", "used", "young"))
    asked("old", days_ago=31)
    asked("used", days_ago=2)
    asked("young", days_ago=29)
    # what is of another kind has a time of its own, or none
    cache.entry("other", "x", lambda folder: None)
    os.utime(tmp_path / "other" / "x" / ".complete", (0, 0))
    asked("another", days_ago=0)
    assert (old.exists(), used.exists(), young.exists()) == (False, True, True)
    assert (tmp_path / "other" / "x").exists()


def test_what_another_process_has_just_made_is_young_whatever_the_clock_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KOLLARM_CACHE", str(tmp_path))
    argv = [sys.executable, "-c", ASKING, "made", "0", ""]
    made = Path(subprocess.run(argv, capture_output=True, text=True, check=True).stdout[:-1])
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 400 * 86400)
    cache.entry("kind", "other", lambda folder: None, lifetime=30 * 86400.0)
    assert made.exists()


def test_what_a_process_has_asked_for_stays_whatever_the_clock_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KOLLARM_CACHE", str(tmp_path))
    argv = [sys.executable, "-c", ASKING, "name", "365", "wait"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None and other.stdin is not None
        folder = Path(other.stdout.readline()[:-1])
        cache.entry("kind", "one", lambda folder: None, lifetime=1.0)
        assert folder.exists()
        other.stdin.close()
    cache.entry("kind", "two", lambda folder: None, lifetime=1.0)
    assert not folder.exists()
    # this process holds its own
    os.utime(tmp_path / "kind" / "one" / ".used", (0, 0))
    cache.entry("kind", "three", lambda folder: None, lifetime=1.0)
    assert (tmp_path / "kind" / "one").exists()


def test_a_digest_depends_on_content_not_on_order() -> None:
    assert cache.digest({"a": 1, "b": [2]}) == cache.digest({"b": [2], "a": 1})
    assert cache.digest({"a": 1}) != cache.digest({"a": "1"})


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "target"
    files.write(target, "old")
    with pytest.raises(RuntimeError), files.atomic(target) as work:
        work.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_steps_side_by_side_are_equally_deep() -> None:
    stream = io.StringIO()
    progress = Progress(Console(file=stream, width=100))
    begun = threading.Barrier(2)

    def work(name: str) -> None:
        with progress.step(name):
            begun.wait(10)
            with progress.step(f"part of {name}"):
                begun.wait(10)

    with progress.step("both"):
        threads = [threading.Thread(target=work, args=(name,)) for name in ("one", "other")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    lines = stream.getvalue().splitlines()
    assert {line for line in lines if line.endswith("…")} == {
        "both …", "  one …", "  other …", "    part of one …", "    part of other …",
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


def test_the_environments_ca_bundle_is_used_unless_one_is_configured(tmp_path: Path) -> None:
    pem = tmp_path / "ca.pem"
    pem.write_text("-----BEGIN CERTIFICATE-----\n")
    environ = {"SSL_CERT_FILE": str(pem), "PIP_CERT": "/elsewhere"}
    assert trust.bundle(None, environ) == pem
    assert trust.bundle(None, {}) is None
    with pytest.raises(ConfigError, match="can't be read"):
        trust.bundle(tmp_path / "missing.pem", environ)
    (tmp_path / "empty.pem").write_text("")
    with pytest.raises(ConfigError, match="no PEM"):
        trust.bundle(tmp_path / "empty.pem", environ)


def test_a_runs_own_log_stays_whatever_the_clock_said_before(
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
