"""What BuildKit says while it builds, and why it fails."""

from __future__ import annotations

import pytest

from builder.engines.buildkit import BuildkitOutput, unusable
from builder.engines.buildx import pattern, split
from builder.engines.protocol import TAIL, NodeLost
from core.errors import CommandError

SAID = """\
#0 building with "site" instance using remote driver
#1 [internal] load remote build context
#1 DONE 0.1s
#2 [linux/arm64 1/3] FROM registry.example/kolla/base@sha256:0
#2 DONE 0.0s
#3 [2/3] RUN apt-get update
#3 0.512 Hit:1 http://deb.example
#4 [other 2/2] COPY x /
#3 1.250 E: nothing there
#3 ERROR: process "/bin/sh -c apt-get update" did not complete successfully: exit code: 100
------
 > [2/3] RUN apt-get update:
0.512 Hit:1 http://deb.example
------
"""


def test_the_failed_step_is_known_with_its_own_output() -> None:
    notes: list[str] = []
    progress = BuildkitOutput(notes.append)
    for line in SAID.splitlines():
        progress.line(line)
    assert progress.step == "2/3 : RUN apt-get update"
    assert progress.lines == ["Hit:1 http://deb.example", "E: nothing there"]
    assert progress.reason.endswith("exit code: 100")
    assert notes[1:] == ["step 2/3 RUN apt-get update", "step 2/2 COPY x /"]


def test_a_failed_push_is_no_failed_step() -> None:
    progress = BuildkitOutput()
    for line in (
        "#3 [2/2] RUN true",
        "#3 DONE 0.1s",
        "#4 exporting to image",
        "#4 pushing layers 0.2s done",
        "#4 ERROR: failed to push registry.example/kolla/base: denied",
    ):
        progress.line(line)
    assert progress.step == "exporting to image"
    assert "denied" in progress.reason


def test_only_the_last_lines_are_kept() -> None:
    progress = BuildkitOutput()
    for number in range(1000):
        progress.line(f"#3 0.1 line {number}")
    progress.line("#3 ERROR: no")
    assert progress.lines == [f"line {number}" for number in range(1000 - TAIL, 1000)]


@pytest.mark.parametrize(
    ("status", "output", "said", "remedy"),
    [
        (1, 'ERROR: no builder "x" found\n', 'no builder "x" found', "docker buildx create"),
        (
            1,
            "docker: 'buildx' is not a docker command.\nSee 'docker --help'\n",
            "no buildx",
            "inst",
        ),
        (127, "", "no docker command", "install"),
        (1, "ERROR: granting entitlement network.host is not allowed", "network.host", "-flags"),
        (
            1,
            "ERROR: failed: context deadline exceeded",
            "doesn't answer",
            "inspect",
        ),
    ],
)
def test_why_a_builder_cannot_be_used(status: int, output: str, said: str, remedy: str) -> None:
    error = unusable("buildx://x", CommandError(["docker"], status, output))
    assert said in error.message and "buildx://x" in error.message
    assert remedy in (error.hint or "")


def test_references_and_patterns() -> None:
    assert split("host:5000/kolla/base:t-x86_64") == ("kolla/base", "t-x86_64")
    assert split("host/kolla/base@sha256:0") == ("kolla/base", "sha256:0")
    assert pattern("usr/lib/x") == "/us[r]/li[b]/[x]"


def test_a_step_is_shown_without_its_mounts() -> None:
    notes: list[str] = []
    output = BuildkitOutput(notes.append)
    output.line("#6 [stage-0  2/28] RUN --mount=type=bind,from=a --mount=type=bind,from=b true")
    assert notes == ["step 2/28 RUN true"]
    assert output.step == "2/28 : RUN true"


@pytest.mark.parametrize(
    ("said", "lost"),
    [
        ("failed to receive status: rpc error: code = Unavailable desc = error reading", True),
        ('connection error: desc = "error reading server preface: EOF"', True),
        ("failed to solve: Unavailable: closing transport due to: connection error", True),
        ("failed to solve: process did not complete successfully: exit code: 1", False),
        ("no builder several found", False),
        ("x\npanic: runtime error: nil pointer\n\ngoroutine 1\nflightcontrol.go:165", True),
    ],
)
def test_a_node_that_went_away_is_told_from_one_that_refuses(said: str, lost: bool) -> None:
    error = unusable("the builder", CommandError(["docker"], 1, f"ERROR: {said}"))
    assert isinstance(error, NodeLost) is lost
