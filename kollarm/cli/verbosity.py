"""How much a run says: ``--verbose``, ``--quiet`` and ``--debug``, taken by every command.

They may stand before and after a command's name, and after a group's.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import click

from core import progress
from core.addresses import redacted
from core.logs import log_details


@dataclass
class Invocation:
    """The options of a run that hold for all its commands, wherever they stand."""

    debug: bool = False
    verbose: bool = False
    quiet: bool = False
    as_json: bool = False
    document: bool = False
    """Whether the one JSON document has been printed."""


class LogOnConsole(logging.Handler):
    """Shows the log where the progress is shown, except what the progress shows itself."""

    def emit(self, record: logging.LogRecord) -> None:
        if record.name == progress.__name__ and record.levelno != logging.DEBUG:
            return
        text = f"{record.name}: {redacted(record.getMessage())}"
        progress.current().show(text, style="dim")


def with_verbosity(command: click.Command) -> click.Command:
    """Add the options to a command that doesn't have them yet."""
    names = {parameter.name for parameter in command.params}
    command.params += [option for option in _OPTIONS if option.name not in names]
    return command


def note_flag(context: click.Context, option: click.Parameter, value: bool) -> bool:
    """Note in the :class:`Invocation` that a flag of the same name was used, and act on it."""
    flags = vars(context.ensure_object(Invocation))
    if not value or flags[str(option.name)]:
        return value
    flags[str(option.name)] = True
    if flags["quiet"] and flags["verbose"]:
        raise click.UsageError("--quiet and --verbose exclude each other", context)
    if option.name == "quiet":
        progress.use(progress.Progress(quiet=True))
    if option.name == "verbose":
        handler, root = LogOnConsole(), logging.getLogger()
        root.addHandler(handler)
        log_details()  # also where no log file could be written
        context.find_root().call_on_close(lambda: root.removeHandler(handler))
    return value


_OPTIONS = [
    click.Option(names, is_flag=True, expose_value=False, callback=note_flag, help=text)
    for names, text in (
        (["-v", "--verbose"], "Show the log on standard error: the programs run, and details."),
        (["-q", "--quiet"], "Show only results, warnings and errors."),
        (["--debug"], "Show the traceback of a failure."),
    )
]
