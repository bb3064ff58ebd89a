"""Running commands."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from core.errors import CommandError
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


def test_a_missing_command_is_named_missing() -> None:
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


def test_a_command_reads_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("content")
    with (tmp_path / "file").open("rb") as stream:
        assert run(["cat"], stdin=stream).stdout == "content"


def test_a_command_is_ended_from_another_thread() -> None:
    with pytest.raises(CommandError):
        run(["sleep", "infinity"], on_start=lambda end: threading.Timer(0.1, end).start())


def test_lines_are_seen_while_the_command_runs() -> None:
    seen: list[str] = []
    run(["sh", "-c", "echo one; echo two"], on_line=seen.append)
    assert seen == ["one", "two"]


def test_no_path_is_an_option_or_a_protocol(tmp_path: Path) -> None:
    for name in ("-n", "--help", "nbd:x", "v1:arm64.qcow2"):
        (tmp_path / name).write_text(name)
        assert run(["cat", Path(name)], cwd=tmp_path).stdout == name
    assert run(["echo", Path("plain/x"), Path("/a:b")]).stdout == "plain/x /a:b\n"
