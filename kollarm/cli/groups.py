"""Groups of commands: imported when they are used, suggested when they are misspelt.

openstacksdk alone takes longer to import than most commands take to run, and all
together would be most of the memory that an upload needs.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import click

from core import suggest
from kollarm.cli.verbosity import with_verbosity


class CommandGroup(click.Group):
    """A group whose commands all take ``--verbose``, ``--quiet`` and ``--debug``.

    :param lazy: the commands that are imported when they are used, by name: each as
        ``MODULE:ATTRIBUTE``, and its line in the group's help.
    """

    def __init__(self, *args: Any, lazy: Mapping[str, tuple[str, str]] | None = None, **more: Any):
        super().__init__(*args, **more)
        self.lazy = lazy or {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*self.lazy, *self.commands})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        command = self.commands.get(cmd_name)
        if cmd_name in self.lazy:
            module, _, attribute = self.lazy[cmd_name][0].partition(":")
            command = getattr(importlib.import_module(module), attribute)
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
        summaries |= {name: summary for name, (_, summary) in self.lazy.items()}
        with formatter.section("Commands"):
            formatter.write_dl(sorted(summaries.items()))
