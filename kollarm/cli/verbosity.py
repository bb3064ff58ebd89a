"""How much a run says: ``--verbose``, ``--quiet`` and ``--debug``, taken by every command.

They may stand before and after a command's name, and after a group's.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import click
from rich.text import Text

from core import progress


@dataclass
class Invocation:
    """What a run of the command was asked for, and what it has printed already."""

    debug: bool = False
    """Whether a failure shows its traceback."""
    verbose: bool = False
    """Whether standard error shows the log."""
    as_json: bool = False
    """Whether the result is one JSON document."""
    document: bool = False
    """Whether that document has been printed."""


def invocation_of(context: click.Context) -> Invocation:
    """What was asked for in the run that a context is part of."""
    return context.find_object(Invocation) or Invocation()


class LogOnConsole(logging.Handler):
    """Shows the log where the progress is shown, except what the progress shows itself."""

    def emit(self, record: logging.LogRecord) -> None:
        if record.name == progress.__name__ and record.levelno != logging.DEBUG:
            return
        text = f"{record.name}: {record.getMessage()}"
        progress.current().console.print(Text(text, style="dim"))


def with_verbosity(command: click.Command) -> click.Command:
    """Add the options to a command that doesn't have them yet."""
    names = {parameter.name for parameter in command.params}
    command.params += [option for option in _OPTIONS if option.name not in names]
    return command


def _debug(context: click.Context, option: click.Parameter, value: bool) -> None:
    if value:
        invocation_of(context).debug = True


def _quiet(context: click.Context, option: click.Parameter, value: bool) -> None:
    if value:
        progress.use(progress.Progress(quiet=True))


def _verbose(context: click.Context, option: click.Parameter, value: bool) -> None:
    invocation = invocation_of(context)
    if value and not invocation.verbose:
        invocation.verbose = True
        handler, root = LogOnConsole(), logging.getLogger()
        root.addHandler(handler)
        root.setLevel(logging.DEBUG)  # also where no log file could be written
        context.find_root().call_on_close(lambda: root.removeHandler(handler))


_OPTIONS = (
    click.Option(
        ["-v", "--verbose"],
        is_flag=True,
        expose_value=False,
        callback=_verbose,
        help="Show the log on standard error: the commands that are run, and details.",
    ),
    click.Option(
        ["-q", "--quiet"],
        is_flag=True,
        expose_value=False,
        callback=_quiet,
        help="Show only results, warnings and errors.",
    ),
    click.Option(
        ["--debug"],
        is_flag=True,
        expose_value=False,
        callback=_debug,
        help="Show the traceback of a failure.",
    ),
)
