"""Standard streams that are closed, full, or read by nobody any more; a user without a home."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from core import logs
from core.errors import KollarmError
from core.paths import cache_dir

#: A command with progress and a long result, which notes that it came to its end.
LONG = """
import sys, time
from pathlib import Path
import click
from core import progress
from kollarm.cli.common import print_json
from kollarm.cli.main import script
PLACE = sys.argv.pop()

@click.command()
def command():
    for number in range(50):
        with progress.current().step(f"step {number}"):
            time.sleep(0.01)
    print_json(list(range(100_000)))
    Path(PLACE).write_text("done", encoding="utf-8")

script(command)
"""


def shell(redirection: str, *words: str | Path, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", f'set -o pipefail; "$@" {redirection}', "bash", *words],
        env=dict(os.environ) | environ, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    "redirection",
    ["| true", ">&-", "2>&-", "<&-", ">&- 2>&- <&-", "2> >(true)", "2>/dev/full >/dev/null"],
)
def test_a_run_ends_well_though_nobody_listens(tmp_path: Path, redirection: str) -> None:
    end = tmp_path / "end"
    done = shell(redirection, sys.executable, "-c", LONG, end)
    assert done.returncode == 0
    assert end.exists()
    assert "rror" not in done.stderr and "interrupted" not in done.stderr


def test_a_result_that_cannot_be_written_is_a_failure(tmp_path: Path) -> None:
    done = shell(">/dev/full", sys.executable, "-c", LONG, tmp_path / "end")
    assert done.returncode == 1
    assert "space" in done.stderr and "internal error" not in done.stderr


def test_a_user_without_a_home_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown() -> Path:
        raise RuntimeError("Could not determine home directory.")

    for name in ("KOLLARM_CACHE", "XDG_CACHE_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", unknown)
    assert logs.start("config show") is None
    with pytest.raises(KollarmError) as caught:
        cache_dir()
    assert "KOLLARM_CACHE" in (caught.value.hint or "")
