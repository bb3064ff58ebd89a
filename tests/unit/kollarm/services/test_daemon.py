"""Daemons: real processes (a shell, Python's web server), no service of OpenStack's."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import KollarmError
from kollarm.services import daemon, ports
from tests.support.daemons import port_of, web_server
from tests.support.servers import free_port


@pytest.fixture
def server(tmp_path: Path) -> Iterator[daemon.Daemon]:
    made = web_server(tmp_path / "web", free_port())
    yield made
    daemon.stop(made.folder)


def test_it_starts_once_and_is_found_again(server: daemon.Daemon) -> None:
    assert daemon.start(server)
    first = daemon.running_in(server.folder)
    assert not daemon.start(server)
    assert daemon.running_in(server.folder) == first


def test_it_outlives_the_command_that_started_it(server: daemon.Daemon, tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from kollarm.services import daemon; "
        "from tests.support.daemons import web_server; "
        f"daemon.start(web_server(Path({str(server.folder)!r}), {port_of(server)}))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, start_new_session=True)
    assert not daemon.start(server)


def test_stop_ends_it(server: daemon.Daemon) -> None:
    daemon.start(server)
    assert daemon.stop(server.folder)
    assert daemon.running_in(server.folder) is None
    assert not daemon.stop(server.folder)


def test_a_killed_one_is_started_again(server: daemon.Daemon) -> None:
    daemon.start(server)
    first = daemon.running_in(server.folder)
    assert first
    os.kill(first, signal.SIGKILL)
    assert daemon.start(server)
    assert daemon.running_in(server.folder) != first


def test_other_settings_mean_a_restart(server: daemon.Daemon) -> None:
    daemon.start(server)
    first = daemon.running_in(server.folder)
    assert daemon.start(replace(server, settings="second"))
    assert daemon.running_in(server.folder) != first


def test_one_that_no_longer_answers_is_restarted(
    server: daemon.Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ports, "ANSWER", 0.5)
    monkeypatch.setattr(daemon, "PATIENCE", 0.5)
    monkeypatch.setattr(daemon, "GRACE", 0.5)
    daemon.start(server)
    first = daemon.running_in(server.folder)
    assert first
    os.kill(first, signal.SIGSTOP)
    assert daemon.start(server)
    assert daemon.running_in(server.folder) != first


def test_an_old_pid_file_of_another_process_is_not_believed(server: daemon.Daemon) -> None:
    server.folder.mkdir(parents=True)
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    server.pid_file.write_text(f"{os.getpid()} 1 {boot} {server.digest}\n")
    assert daemon.running_in(server.folder) is None
    assert daemon.start(server)


@pytest.mark.parametrize("pid", ["word", "-1", "1.5", "\N{SUPERSCRIPT TWO}", "9" * 30])
def test_a_damaged_pid_file_is_not_believed(server: daemon.Daemon, pid: str) -> None:
    server.folder.mkdir(parents=True)
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    server.pid_file.write_text(f"{pid} 1 {boot} {server.digest}\n", encoding="utf-8")
    assert daemon.running_in(server.folder) is None


def test_its_folder_and_log_are_its_owners_alone(server: daemon.Daemon) -> None:
    daemon.start(server)
    assert stat.S_IMODE(server.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(server.log.stat().st_mode) == 0o600


def test_one_whose_folder_was_deleted_gives_its_port_back(server: daemon.Daemon) -> None:
    daemon.start(server)
    first = daemon.running_in(server.folder)
    server.pid_file.unlink()
    assert daemon.start(server)
    assert daemon.running_in(server.folder) != first


def test_the_service_of_another_project_keeps_its_port(
    server: daemon.Daemon, tmp_path: Path
) -> None:
    daemon.start(server)
    other = web_server(tmp_path / "other" / "web", port_of(server))
    with pytest.raises(KollarmError, match="another project") as caught:
        daemon.start(other)
    assert str(tmp_path) in (caught.value.hint or "")
    assert daemon.running_in(server.folder)


def test_another_program_keeps_its_port(server: daemon.Daemon) -> None:
    port = str(port_of(server))
    command = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", port]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as other:
        while ports.get(f"http://127.0.0.1:{port}/") is None:
            time.sleep(0.05)
        with pytest.raises(KollarmError, match="another program") as caught:
            daemon.start(server)
        assert f"process {other.pid}" in (caught.value.details or "")
        other.kill()


def test_one_that_fails_says_why(tmp_path: Path) -> None:
    broken = replace(
        web_server(tmp_path / "web", free_port()),
        program=lambda: ("/bin/sh", "-c", "echo no disk left; exit 3"),
    )
    with pytest.raises(KollarmError, match="does not start") as caught:
        daemon.start(broken)
    assert "no disk left" in (caught.value.details or "")
    assert str(broken.log) in (caught.value.details or "")
    assert not broken.pid_file.exists()


def test_one_that_never_answers_is_ended(tmp_path: Path) -> None:
    silent = replace(
        web_server(tmp_path / "web", free_port()),
        program=lambda: ("/bin/sleep", "1000"),
        deadline=1,
    )
    with pytest.raises(KollarmError, match="does not start"):
        daemon.start(silent)
    assert daemon.running_in(silent.folder) is None
