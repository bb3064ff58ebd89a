"""What became of the hosts, from the events of a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from deploy.recap import EventFile, RunEvents, TaskFailure


def after(*events: dict[str, Any]) -> RunEvents:
    state = RunEvents()
    for event in events:
        state.add(json.dumps(event))
    return state


def failed(
    host: str, message: str, item: str | None = None, ignored: bool = False
) -> dict[str, Any]:
    return {"event": "failed", "host": host, "item": item, "message": message, "ignored": ignored}


def task(name: str) -> dict[str, Any]:
    return {"event": "task", "name": name}


def stats(**hosts: dict[str, int]) -> dict[str, Any]:
    return {"event": "stats", "hosts": hosts}


PLAY = {"event": "play", "name": "Apply role nova", "hosts": 3}


def test_hosts_and_failures() -> None:
    recap = after(
        PLAY,
        task("pull"),
        failed("ctl1", "No module 'dbus'", "kolla-toolbox"),
        failed("ctl1", "One or more items failed"),
        task("NTP"),
        failed("arm1", 'No "daemon"\nruns.'),
        {"event": "unreachable", "host": "far", "message": "Failed to connect"},
        stats(
            arm1={"ok": 5, "failures": 1}, ctl1={"ok": 6, "changed": 1, "failures": 1},
            far={"dark": 1}, localhost={"ok": 4},
        ),
    ).recap()  # fmt: skip
    assert [(h.host, h.ok, h.failed, h.unreachable) for h in recap.hosts] == [
        ("arm1", 5, 1, 0),
        ("ctl1", 6, 1, 0),
        ("far", 0, 0, 1),
        ("localhost", 4, 0, 0),
    ]
    assert recap.failures == (
        TaskFailure("ctl1", "pull", "kolla-toolbox: No module 'dbus'"),
        TaskFailure("arm1", "NTP", 'No "daemon" runs.'),
        TaskFailure("far", "NTP", "Failed to connect"),
    )
    table = recap.to_text().splitlines()
    assert table[0].split() == ["host", "ok", "changed", "unreachable", "failed", "skipped"]
    assert table[2].split() == ["ctl1", "6", "1", "0", "1", "0"]


def test_ignored_and_rescued_failures_do_not_count() -> None:
    state = after(task("x"), failed("a", "m", ignored=True))
    assert not state.recap().failures
    state = after(task("x"), failed("a", "m"), stats(a={"ok": 1, "rescued": 1}))
    assert not state.recap().failures


def test_playbooks_of_one_stage_add_up() -> None:
    recap = after(stats(a={"ok": 1, "changed": 1}), stats(a={"ok": 2}, b={"ok": 1})).recap()
    assert [(one.host, one.ok, one.changed) for one in recap.hosts] == [("a", 3, 1), ("b", 1, 0)]


def test_a_long_message_keeps_its_end() -> None:
    (failure,) = after(task("x"), failed("a", "begin " + "x" * 3000 + " end")).recap().failures
    assert failure.message.startswith("begin") and failure.message.endswith("end")
    assert len(failure.message) <= 500


def test_where_a_run_is() -> None:
    done = [{"event": "done", "host": host} for host in "aab"]
    assert after(PLAY, task("nova : copy"), *done).where == (
        "Apply role nova – nova : copy, 2 of 3 hosts"
    )
    assert after(PLAY).where == "Apply role nova"


def test_lines_that_are_written_in_pieces(tmp_path: Path) -> None:
    file = EventFile(tmp_path / "events")
    assert file.path.stat().st_mode & 0o777 == 0o600
    with file.path.open("a") as stream:
        for piece in (
            '{"event": "task", "na',
            'me": "one"}\n{"event": "ta',
            'sk", "name": "two"}\n',
        ):
            stream.write(piece)
            stream.flush()
            file.read()
    assert file.state.task == "two"
    file.close()


@given(
    st.lists(
        st.text(max_size=80)
        | st.dictionaries(
            st.sampled_from(["event", "host", "hosts", "name", "item", "message", "ignored"]),
            st.sampled_from(["play", "task", "failed", "stats", "done"]) | st.integers() | st.none()
            | st.dictionaries(st.text(max_size=3), st.none() | st.integers(), max_size=2),
        ).map(json.dumps)
    )
)  # fmt: skip
def test_any_line_is_read(lines: list[str]) -> None:
    state = RunEvents()
    for line in lines:
        state.add(line)
    state.recap().to_text()
    assert isinstance(state.where, str)
