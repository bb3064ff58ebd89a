"""RUN steps with the native tools mounted."""

from __future__ import annotations

from builder.context.dockerfile import instructions
from builder.native.dockerfile import with_native_tools
from builder.native.root import MOUNT

TEXT = """FROM parent
LABEL maintainer="RUN by us"
RUN apt-get update \\
    && apt-get install -y RUN
COPY RUN /RUN
  run echo
USER nova
"""


def test_each_run_step_has_the_mounts() -> None:
    found = instructions(with_native_tools(TEXT, "kollarm/native:t"))
    steps = [one.value for one in found if one.keyword == "RUN"]
    assert len(steps) == 2
    for step in steps:
        assert step.count("--mount=type=bind,from=kollarm/native:t,") == 2
        assert f"target={MOUNT} " in step
        assert "target=/etc/ld.so.preload " in step


def test_all_else_stays() -> None:
    words = with_native_tools(TEXT, "kollarm/native:t").split(" ")
    assert " ".join(word for word in words if not word.startswith("--mount=")) == TEXT


def test_the_lines_of_a_here_document_stay() -> None:
    text = "FROM parent\nRUN <<END\nRUN echo\nEND\nRUN true\n"
    lines = with_native_tools(text, "kollarm/native:t").splitlines()
    assert lines[1].startswith("RUN --mount=") and lines[1].endswith(" <<END")
    assert lines[2:4] == ["RUN echo", "END"]
    assert lines[4].startswith("RUN --mount=") and lines[4].endswith(" true")
