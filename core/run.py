"""The one place that runs external commands.

Every command gets a closed standard input, the C.UTF-8 locale and a process
group of its own, so that an interruption ends it with all its children, and so does the end of
this process (:mod:`core.orphans`).
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import shlex
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from core import orphans, side_by_side
from core.errors import CommandError

log = logging.getLogger(__name__)

#: Seconds a command has to end after SIGTERM before it is killed.
GRACE = 10.0


@dataclass(frozen=True)
class Completed:
    """The argv, exit status and decoded output of a finished command."""

    argv: tuple[str, ...]
    status: int
    stdout: str
    stderr: str


def run(
    argv: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: bytes | IO[bytes] | None = None,
    timeout: float | None = None,
    check: bool = True,
    on_line: Callable[[str], None] | None = None,
    on_start: Callable[[Callable[[], None]], None] | None = None,
    hint: str | None = None,
) -> Completed:
    """Run a command to its end.

    :param argv: the program and its words. Files are given as paths, of which none is taken for an
        option.
    :param env: variables in addition to those of this process.
    :param stdin: bytes for its standard input, or a file, read from its current position;
        by default it is empty.
    :param timeout: seconds after which it is ended.
    :param check: raise when the exit status is not 0.
    :param on_line: called with each line of standard output and standard error
        (from a reading thread) while the command runs.
    :param on_start: called once it runs, with a function that ends it from another thread.
    :raises CommandError: not found, failed (with ``check``) or out of time.
    """
    words = tuple(map(_word, argv))
    log.debug("run: %s", shlex.join(words))
    guard = orphans.current()
    process = _start(words, cwd, env, stdin, hint)
    captured: dict[str, list[str]] = {"stdout": [], "stderr": []}

    def read(name: str, pipe: IO[bytes]) -> None:
        for raw in pipe:
            line = raw.decode("utf-8", "replace")
            captured[name].append(line)
            log.debug("%s: %s", Path(words[0]).name, line.rstrip())
            if on_line:
                on_line(line.rstrip("\n"))

    assert process.stdout is not None and process.stderr is not None
    readers = [
        threading.Thread(target=read, args=("stdout", process.stdout), daemon=True),
        threading.Thread(target=read, args=("stderr", process.stderr), daemon=True),
    ]
    watch = contextlib.ExitStack()
    try:
        watch.enter_context(guard.watching(process.pid))
        watch.enter_context(side_by_side.running(lambda: end(process)))
        for reader in readers:
            reader.start()
        if on_start:
            on_start(lambda: end(process))
        if isinstance(stdin, bytes):
            assert process.stdin is not None
            try:
                process.stdin.write(stdin)
                process.stdin.close()
            except BrokenPipeError:
                pass  # it ended without reading; its exit status tells why
        status = process.wait(timeout)
        for reader in readers:
            reader.join(GRACE)
    except subprocess.TimeoutExpired as error:
        end(process)
        output = "".join(captured["stdout"] + captured["stderr"])
        raise CommandError(
            words, None, output, reason=f"not finished after {timeout:.0f} s", hint=hint
        ) from error
    except BaseException:
        end(process)
        raise
    finally:
        watch.close()
    done = Completed(words, status, "".join(captured["stdout"]), "".join(captured["stderr"]))
    if check and status != 0:
        raise CommandError(words, status, done.stderr or done.stdout, hint=hint)
    return done


def _start(
    words: tuple[str, ...],
    cwd: Path | None,
    env: Mapping[str, str] | None,
    stdin: bytes | IO[bytes] | None,
    hint: str | None,
) -> subprocess.Popen[bytes]:
    """Start a program.

    :raises CommandError: it can't be started.
    """
    side_by_side.require_running()
    try:
        return subprocess.Popen(
            words,
            cwd=cwd,
            env=dict(os.environ) | {"LC_ALL": "C.UTF-8", "PATH": _path()} | dict(env or {}),
            stdin=subprocess.DEVNULL
            if stdin is None
            else subprocess.PIPE
            if isinstance(stdin, bytes)
            else stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise CommandError(
            words,
            127,
            "",
            reason="command not found",
            hint=hint or "kollarm doctor says how to install it",
        ) from error
    except OSError as error:
        raise CommandError(words, 126, "", reason=_explain(error), hint=hint) from error


def _word(word: str | Path) -> str:
    """A word of a command line; a path is never taken for an option or (with ``:``) a protocol."""
    if isinstance(word, Path) and not word.is_absolute() and re.search(r"^-|:", str(word)):
        return f"./{word}"
    return str(word)


def end(process: subprocess.Popen[bytes], grace: float = GRACE) -> None:
    """End a process and its group: SIGTERM, then SIGKILL after *grace* seconds."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        try:
            process.wait(grace)
            return
        except subprocess.TimeoutExpired:
            continue


#: Words before a command that end it with this process, even when that one is killed outright.
BOUND = ("setpriv", "--pdeathsig", "TERM")


def have(command: str) -> bool:
    """Whether a command is on PATH (or in the administrators' folders)."""
    return which(command) is not None


def which(command: str) -> str | None:
    """The path of a command that :func:`run` would start, if there is one."""
    return shutil.which(command, path=_path())


def emulator(architecture: str) -> str | None:
    """The path of an installed emulator for another architecture's programs, if there is one."""
    return which(f"qemu-{architecture}-static") or which(f"qemu-{architecture}")


def _path() -> str:
    """The search path of commands, with /usr/sbin and /sbin, which only root's shell has."""
    return os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"


def _explain(error: OSError) -> str:
    if error.strerror == "Exec format error":
        return (
            "Exec format error: the program is for another architecture and no "
            "binfmt_misc handler is registered for it"
        )
    return error.strerror or str(error)
