"""The set-up scripts: quick where everything is there, and an engine where none runs."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.paths import project_dir

pytestmark = pytest.mark.integration

SCRIPTS = project_dir() / "scripts"
AS_ROOT: list[str] = [] if os.geteuid() == 0 else ["sudo", "-n", "-E"]


def test_where_everything_is_there_it_says_nothing() -> None:
    subprocess.run([SCRIPTS / "setup"], check=True)
    done = subprocess.run([SCRIPTS / "setup"], capture_output=True, text=True, check=True)
    assert done.stdout + done.stderr == ""


def test_every_package_is_named_once_with_its_reason() -> None:
    lines = [
        line.split(maxsplit=1)
        for line in (SCRIPTS / "setup-packages").read_text().splitlines()
        if not line.startswith("#")
    ]
    assert all(len(line) == 2 for line in lines)
    names = [name for words, _ in lines for name in words.split("|")]
    assert len(names) == len(set(names))


def test_foreign_programs_run() -> None:
    done = subprocess.run([SCRIPTS / "setup-foreign"], capture_output=True, text=True, check=True)
    assert done.stderr == ""


def test_an_engine_elsewhere_that_does_not_answer_is_named() -> None:
    done = subprocess.run(
        [SCRIPTS / "setup-engine"],
        env=os.environ | {"DOCKER_HOST": "tcp://127.0.0.1:1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "tcp://127.0.0.1:1" in done.stderr and "unset DOCKER_HOST" in done.stderr


@pytest.fixture
def other_engine(tmp_path: Path) -> Iterator[tuple[list[str], dict[str, str]]]:
    """Arguments and environment for a second engine, beside the one that tests use."""
    run = tempfile.mkdtemp(prefix="kollarm-", dir="/tmp")
    options = [
        f"--host=unix://{tmp_path}/sock",
        f"--data-root={tmp_path}/data",
        # Short: sockets lie in it, whose paths may have no more than 107 bytes.
        f"--exec-root={run}",
        f"--pidfile={tmp_path}/pid",
    ]
    env = {"DOCKER_HOST": f"unix://{tmp_path}/sock", "XDG_STATE_HOME": str(tmp_path / "state")}
    yield options, env
    pid = (tmp_path / "pid").read_text()
    os.kill(int(pid), signal.SIGTERM)
    while Path(f"/proc/{pid}").exists():
        time.sleep(0.1)
    subprocess.run([*AS_ROOT, "rm", "-rf", run], check=True)


def test_an_engine_is_started_where_no_service_manager_runs(
    other_engine: tuple[list[str], dict[str, str]],
) -> None:
    options, env = other_engine
    # A network of its own, so that the engine that is there keeps its bridge and rules;
    # and no systemd to be seen.
    hide = '[ ! -d /run/systemd ] || mount -t tmpfs tmpfs /run/systemd; exec "$@"'
    start = [*AS_ROOT, "unshare", "--net", "--mount", "sh", "-c", hide, "sh",
             str(SCRIPTS / "setup-engine"), *options]  # fmt: skip
    done = subprocess.run(start, env=os.environ | env, capture_output=True, text=True, check=True)
    assert "starting the Docker engine" in done.stderr
    assert "dockerd.log" in done.stderr
    subprocess.run(["docker", "info"], env=os.environ | env, capture_output=True, check=True)
    again = subprocess.run(start, env=os.environ | env, capture_output=True, text=True, check=True)
    assert again.stderr == ""
