"""Building with BuildKit through Docker's client, whose output is parsed.

The output is that of ``--progress=plain``, which is written for people; every client has
it: https://docs.docker.com/reference/cli/docker/buildx/build/
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from typing import IO

from builder.engines.protocol import (
    TAIL,
    BuildFailed,
    BuildJob,
    Cancellation,
    Cancelled,
    EngineError,
    NodeLost,
)
from core.errors import CommandError
from core.run import run

#: Variables with which the client builds with BuildKit, and adds no attestation to the image.
ENVIRONMENT = {
    "DOCKER_BUILDKIT": "1",
    "BUILDX_NO_DEFAULT_ATTESTATIONS": "1",
    "NO_COLOR": "1",
}

#: The first Docker client that needs a plugin for BuildKit; those before have it built in.
PLUGIN_SINCE = 23

#: What :func:`client_program` not finding one means.
NO_CLIENT = (
    "the docker command can't build with BuildKit: install its plugin "
    "(docker-buildx, docker-buildx-plugin)"
)

_STEP = re.compile(r"#(\d+) \[(?:\S+ +)?(\d+/\d+)\] (.*)")
#: Native tools, which are none of the step's own words.
_MOUNT = re.compile(r"--mount=\S+ ")
_OUTPUT = re.compile(r"#(\d+) [\d.]+ (.*)")
#: BuildKit's other work: loading the context, looking at the parent, pushing.
_OTHER = re.compile(r"#(\d+) (.*)")
#: What a client says when the connection to BuildKit breaks: gRPC's status, what its Go library
#: makes of a broken connection (https://grpc.io/docs/guides/status-codes/), and a crash of
#: buildx 0.13 itself, where that happens while it looks at its nodes.
_LOST = re.compile(
    r"code = Unavailable|Unavailable: |error reading (from server|server preface)"
    r"|closing transport|transport is closing|connection reset by peer|^panic: ",
    re.MULTILINE,
)
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
            number, place, text = found[1], found[2], _MOUNT.sub("", found[3])
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


def build(
    command: Sequence[str],
    job: BuildJob,
    unusable: Callable[[CommandError], EngineError],
    *,
    env: Mapping[str, str] | None = None,
) -> None:
    """Build a job's image.

    :param command: the client's words, without those that the job determines.
    :param unusable: the error for a failure before the first step.
    :param env: further variables.
    :raises BuildFailed: a step failed.
    :raises Cancelled: the job's control stopped it.
    """
    output = BuildkitOutput(job.note)
    words = ["--platform", job.architecture.platform, "--network", "host"]
    words += [] if job.use_cache else ["--no-cache"]
    for name, folder in (job.mounts or {}).items():
        words += ["--build-context", f"{name}={folder}"]
    # without its value, which may hold a password: the client takes it from the environment
    words += [word for name in job.build_args for word in ("--build-arg", name)]
    try:
        with job.writer() as write:

            def on_line(line: str) -> None:
                output.line(line)
                write(line)

            client([*command, *words], job.context, env={**job.build_args, **(env or {})},
                   on_line=on_line, control=job.control)  # fmt: skip
    except CommandError as error:
        if not output.reason or _LOST.search(output.reason):
            raise unusable(error) from error
        raise BuildFailed(
            job.reference, output.step, output.reason, output.lines, job.log
        ) from error


def client(
    command: Sequence[str],
    context: IO[bytes],
    *,
    env: Mapping[str, str] | None = None,
    on_line: Callable[[str], None] | None = None,
    control: Cancellation | None = None,
) -> None:
    """Run a client that builds.

    :param context: the build context, or a Dockerfile alone.
    :raises CommandError: it fails.
    :raises Cancelled: the control stopped it.
    """
    control = control or Cancellation()
    try:
        # a client that is stopped leaves its temporary files
        with tempfile.TemporaryDirectory(prefix="kollarm-client-") as scratch:
            run([*command, "--progress=plain", "-"],
                stdin=context, env={**(env or {}), **ENVIRONMENT, "TMPDIR": scratch},
                on_line=on_line, on_start=control.on_stop)  # fmt: skip
    except CommandError:
        if control.stopped.is_set():
            raise Cancelled from None
        raise


def client_program() -> str | None:
    """The first ``docker`` on PATH that builds with BuildKit, if there is one."""
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
        program = shutil.which("docker", path=folder)
        if program is None:
            continue
        if run([program, "buildx", "version"], check=False).status == 0:
            return program
        version = re.search(r"version (\d+)", run([program, "--version"], check=False).stdout)
        if version and int(version[1]) < PLUGIN_SINCE:
            return program
    return None


def unusable(builder: str, error: CommandError) -> EngineError:
    """The error of a builder that can't be used, from docker's output.

    :param builder: its kind and name.
    """
    lines = [line for line in error.output.splitlines() if line.strip()]
    last = [line for line in lines if line.startswith("panic: ")] or lines[-1:]
    reason = last[0].removeprefix("ERROR: ") if last else error.message
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
    elif _LOST.search(error.output):
        return NodeLost(
            f"{builder} lost a node that was at work: {reason}",
            hint="see whether BuildKit runs there, and run the same command again: "
            "images built before are kept",
        )
    return EngineError(f"{builder} can't be used: {reason}", hint=hint)
