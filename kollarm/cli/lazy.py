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

    :param commands_in: each command's name, and the module and attribute where it is.
    """

    def __init__(self, *args: Any, commands_in: Mapping[str, tuple[str, str]], **options: Any):
        super().__init__(*args, **options)
        self.commands_in = commands_in

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(self.commands_in)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.commands_in:
            return None
        module, attribute = self.commands_in[cmd_name]
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command
