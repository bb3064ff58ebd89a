"""Groups whose commands are imported when they are asked for.

openstacksdk alone takes longer to import than most commands take to run, and all
together would be most of the memory that an upload needs.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import click


class LazyGroup(click.Group):
    """A group of commands that live in other modules.

    :param commands_in: each command's name, the module and attribute where it is, and
        what the group's help says of it.
    """

    def __init__(self, *args: Any, commands_in: Mapping[str, tuple[str, str, str]], **options: Any):
        super().__init__(*args, **options)
        self.commands_in = commands_in

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(self.commands_in)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.commands_in:
            return None
        module, attribute, _ = self.commands_in[cmd_name]
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            names = self.list_commands(ctx)
            formatter.write_dl([(name, self.commands_in[name][2]) for name in names])
