"""``kollarm guest``: the group of what is done with guest images."""

from __future__ import annotations

import click

from kollarm.cli.lazy import LazyGroup


@click.group(
    "guest",
    cls=LazyGroup,
    commands_in={
        "audit": ("kollarm.cli.publish", "audit", "Find images that may go to the wrong host."),
        "inspect": ("kollarm.cli.guest", "inspect_command", "Say what is in an image."),
        "prepare": (
            "kollarm.cli.guest",
            "prepare_command",
            "Prepare images, so that their console works.",
        ),
        "publish": ("kollarm.cli.publish", "publish_command", "Register images in Glance."),
        "verify": (
            "kollarm.cli.guest",
            "verify_command",
            "Check an image's console, or boot it.",
        ),
    },
)
def group() -> None:
    """Guest images: inspect, prepare, verify, publish."""
