"""The errors that a user of kollarm can meet.

Libraries raise these; :mod:`kollarm.cli.main` alone turns them into a printed
message and an exit status.  Anything else that escapes is a defect.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from core.addresses import redacted
from core.text_output import one_line

#: Exit statuses, the same for every command.
EXIT_FAILURE = 1
EXIT_CONFIGURATION = 2
EXIT_HANGUP = 129
EXIT_INTERRUPTED = 130


class KollarmError(Exception):
    """An error that is explained to the user.

    :param message: the problem and its place, in one sentence.
    :param hint: how to fix it.
    :param details: more lines, such as the end of a log.
    """

    exit_status = EXIT_FAILURE

    def __init__(self, message: str, *, hint: str | None = None, details: str | None = None):
        self.message = redacted(message)
        self.hint = hint
        self.details = redacted(details) if details is not None else None
        super().__init__(self.message)


@dataclass(frozen=True)
class Fault:
    """One thing wrong with an input, with its place and a hint."""

    where: str
    message: str
    hint: str | None = None

    def __str__(self) -> str:
        hint = f" ({self.hint})" if self.hint else ""
        return one_line(f"{self.where}: {self.message}{hint}")


def counted(number: int, word: str) -> str:
    """A number with its word: ``1 error``, ``2 errors``, ``no errors``."""
    return f"{number or 'no'} {word}{'' if number == 1 else 's'}"


class ConfigError(KollarmError):
    """The configuration, an overlay or the command line is wrong: exit status 2.

    All faults that were found are carried, never only the first.
    """

    exit_status = EXIT_CONFIGURATION

    def __init__(self, message: str, faults: Sequence[Fault] = (), *, hint: str | None = None):
        super().__init__(message, hint=hint, details="\n".join(map(str, faults)) or None)
        self.faults = tuple(faults)


class UnusableInput(KollarmError):
    """A file the user named is missing, damaged or of the wrong kind."""


class CommandError(KollarmError):
    """An external command failed, was not found or took too long."""

    def __init__(
        self,
        argv: Sequence[str],
        status: int | None,
        output: str,
        *,
        reason: str | None = None,
        hint: str | None = None,
    ):
        self.argv = tuple(argv)
        self.status = status
        self.output = output
        what = reason or f"exit status {status}"
        tail = "\n".join(output.strip().splitlines()[-15:])
        super().__init__(
            f"{self.argv[0]}: {what}",
            hint=hint,
            details=f"command: {shlex.join(self.argv)}" + (f"\n{tail}" if tail else ""),
        )
