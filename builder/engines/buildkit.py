"""The output of BuildKit and buildx: steps, their output, failures, unusable builders.

It is that of ``--progress=plain``, which is written for people; every buildx has it.
"""

from __future__ import annotations

import re
from collections import defaultdict, deque
from collections.abc import Callable

from builder.engines.protocol import TAIL, EngineError
from core.errors import CommandError

_STEP = re.compile(r"#(\d+) \[(?:\S+ )?(\d+/\d+)\] (.*)")
_OUTPUT = re.compile(r"#(\d+) [\d.]+ (.*)")
#: BuildKit's other work: loading the context, looking at the parent, pushing.
_OTHER = re.compile(r"#(\d+) (.*)")
_ERROR = re.compile(r"#(\d+) ERROR: (.*)")


class BuildkitOutput:
    """The output of a build with ``--progress=plain``, line by line.

    :ivar step: the step that began last, or the one that failed.
    :ivar reason: why it failed; empty as long as nothing did.
    """

    def __init__(self, note: Callable[[str], None] = lambda text: None):
        self.step = "0 : FROM"
        self.reason = ""
        self._note = note
        self._steps: dict[str, str] = {}
        self._output: dict[str, deque[str]] = defaultdict(lambda: deque(maxlen=TAIL))
        self._failed = ""

    def line(self, line: str) -> None:
        if found := _STEP.match(line):
            number, place, text = found.groups()
            self._steps[number] = self.step = f"{place} : {text}"
            self._note(f"step {place} {text}"[:100])
        elif found := _ERROR.match(line):
            self._failed, self.reason = found.groups()
            self.step = self._steps.get(self._failed, self.step)
        elif found := _OUTPUT.match(line):
            self._output[found[1]].append(found[2])
        elif found := _OTHER.match(line):
            self._steps.setdefault(found[1], found[2])

    @property
    def lines(self) -> list[str]:
        """The last lines that the failed step printed."""
        return list(self._output[self._failed])


def unusable(url: str, error: CommandError) -> EngineError:
    """The error of a builder that can't be used, from docker's output."""
    lines = [line for line in error.output.splitlines() if line.strip()]
    reason = lines[-1].removeprefix("ERROR: ") if lines else error.message
    hint = "docker buildx ls shows the builders, docker buildx create makes one"
    if error.status == 127:
        reason, hint = "there is no docker command", "install Docker's client and its buildx plugin"
    elif re.search("unknown (command|flag)|not a docker command", error.output):
        reason, hint = (
            "docker has no buildx",
            "install its plugin (docker-buildx, docker-buildx-plugin)",
        )
    elif "deadline exceeded" in error.output or "connection refused" in error.output:
        reason = f"a node doesn't answer ({reason})"
        hint = "docker buildx inspect --bootstrap BUILDER shows its nodes"
    elif "network.host" in error.output:
        hint = (
            "steps use the host's network: make the builder with "
            "docker buildx create --buildkitd-flags '--allow-insecure-entitlement network.host'"
        )
    return EngineError(f"the buildx builder of {url} can't be used: {reason}", hint=hint)
