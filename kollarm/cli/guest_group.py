"""``kollarm guest``: the group of what is done with guest images."""

from __future__ import annotations

import click

from kollarm.cli.lazy import LazyGroup


@click.group(
    "guest",
    cls=LazyGroup,
    commands_in={
        "audit": ("kollarm.cli.publish", "audit"),
        "inspect": ("kollarm.cli.guest", "inspect"),
        "prepare": ("kollarm.cli.guest", "prepare"),
        "publish": ("kollarm.cli.publish", "publish"),
        "verify": ("kollarm.cli.guest", "verify"),
    },
)
def group() -> None:
    """Guest images: inspect, prepare, verify, publish."""
