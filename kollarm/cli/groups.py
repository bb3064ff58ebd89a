"""Groups of commands: imported when they are asked for, suggested when they are misspelt.

openstacksdk alone takes longer to import than most commands take to run, and all
together would be most of the memory that an upload needs.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import click

from core import suggest
from kollarm.cli.verbosity import with_verbosity


@dataclass(frozen=True)
class LazyCommand:
    """A command that lives in a module of its own."""

    name: str
    """The word that a user types."""
    module: str
    attribute: str
    """The name of the command or group in its module."""
    summary: str
    """What the help of its group says about it."""


class CommandGroup(click.Group):
    """A group whose commands all take ``--verbose``, ``--quiet`` and ``--debug``.

    :param lazy: the commands that are imported when they are used, beside those that are
        added with :meth:`click.Group.command`.
    """

    def __init__(self, *args: Any, lazy: Iterable[LazyCommand] = (), **options: Any):
        super().__init__(*args, **options)
        self.lazy = {entry.name: entry for entry in lazy}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*self.lazy, *self.commands})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        command = self.commands.get(cmd_name)
        if entry := self.lazy.get(cmd_name):
            command = getattr(importlib.import_module(entry.module), entry.attribute)
            assert isinstance(command, click.Command)
        return with_verbosity(command) if command else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name, known = args[0], self.list_commands(ctx)
        if name not in known and (guess := suggest.did_you_mean(name, known)):
            ctx.fail(f"No such command {name!r}. {guess.capitalize()}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        summaries = {name: command.short_help or "" for name, command in self.commands.items()}
        summaries |= {name: entry.summary for name, entry in self.lazy.items()}
        with formatter.section("Commands"):
            formatter.write_dl(sorted(summaries.items()))
