"""The cache by content: entries are made once, and go when nobody asks for them."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from core import cache


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


#: Asks for entries, whose times are then set back by some days; waits for input at the end.
ASKING = """
import os, sys, time
from core import cache
for name, days in (word.split("=") for word in sys.argv[1:]):
    folder = cache.entry("kind", name, lambda folder: None, lifetime=30 * 86400.0)
    for mark in folder.iterdir():
        os.utime(mark, (time.time() - float(days) * 86400,) * 2)
    print(folder, flush=True)
sys.stdin.read()
"""


def asked(**days_ago: float) -> list[Path]:
    """Entries that another process, which has ended, asked for some days ago."""
    words = [f"{name}={days}" for name, days in days_ago.items()]
    argv = [sys.executable, "-c", ASKING, *words]
    done = subprocess.run(argv, input="", capture_output=True, text=True, check=True)
    return [Path(line) for line in done.stdout.splitlines()]


def test_entries_that_nobody_asks_for_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KOLLARM_CACHE", str(tmp_path))
    old, used, young = asked(old=0, used=0, young=0)
    asked(old=31, used=2, young=29)
    # what is of another kind has a time of its own, or none
    cache.entry("other", "x", lambda folder: None)
    os.utime(tmp_path / "other" / "x" / ".complete", (0, 0))
    asked(another=0)
    assert (old.exists(), used.exists(), young.exists()) == (False, True, True)
    assert (tmp_path / "other" / "x").exists()


def test_a_new_entry_stays_though_the_clock_jumps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KOLLARM_CACHE", str(tmp_path))
    [made] = asked(made=0)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 400 * 86400)
    cache.entry("kind", "other", lambda folder: None, lifetime=30 * 86400.0)
    assert made.exists()


def test_an_entry_in_use_stays_though_it_is_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KOLLARM_CACHE", str(tmp_path))
    argv = [sys.executable, "-c", ASKING, "name=365"]
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


#: Takes an entry again and again; the second word says whether it is renewed each time.
TAKING = """
import sys, time
from core import cache
count, renew = int(sys.argv[1]), sys.argv[2] == "renew"
for number in range(count):
    def make(folder):
        (folder / "file").write_bytes(b"x" * 100_000)
    folder = cache.entry("kind", "name", make, since=time.time() if renew else 0.0)
    for _ in range(3):
        assert len((folder / "file").read_bytes()) == 100_000
"""


def test_renewing_breaks_no_other_users_entry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KOLLARM_CACHE", str(tmp_path))
    started = [
        subprocess.Popen([sys.executable, "-c", TAKING, count, how], stderr=subprocess.PIPE)
        for count, how in (("60", "renew"), ("60", "renew"), ("400", "take"), ("400", "take"))
    ]
    assert [(one.communicate()[1], one.returncode) for one in started] == [(b"", 0)] * 4
    # what no process uses any more goes with the next one
    newest = cache.entry("kind", "name", lambda folder: None, since=time.time() + 60)
    assert [path for path in (tmp_path / "kind").iterdir() if path.name[0] != "."] == [newest]


def test_a_renewed_entry_is_the_one_that_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KOLLARM_CACHE", str(tmp_path))

    def take(since: float) -> Path:
        return cache.entry("kind", "name", lambda folder: None, since=since)

    first = take(0)
    assert take(0) == first
    taken = [first]
    for _ in range(11):
        taken.append(take(time.time() + 60))
        assert take(0) == taken[-1]
    assert len(set(taken)) == 12
    # a failure leaves the one that there is
    with pytest.raises(ZeroDivisionError):
        cache.entry("kind", "name", lambda folder: 1 // 0, since=time.time() + 60)  # type: ignore[arg-type]
    assert take(0) == taken[-1]


def test_a_digest_depends_on_content_not_on_order() -> None:
    assert cache.digest({"a": 1, "b": [2]}) == cache.digest({"b": [2], "a": 1})
    assert cache.digest({"a": 1}) != cache.digest({"a": "1"})
