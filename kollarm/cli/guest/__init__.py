"""``kollarm guest``: the group of commands for guest images."""

from __future__ import annotations

import click

from kollarm.cli.groups import CommandGroup

SUMMARIES = {
    "audit": "Find images that could be scheduled to the wrong architecture.",
    "boot": "Start an image as Nova would, and look at its screen.",
    "inspect": "Show what an image contains.",
    "list": "List guests and what was prepared of them.",
    "outdated": "Find prepared images whose source has a newer release.",
    "prepare": "Prepare images, so that their consoles work.",
    "prove": "Prove a published image's console in a cloud.",
    "publish": "Register images in Glance.",
    "verify": "Check an image without starting it.",
}


@click.group(
    "guest",
    cls=CommandGroup,
    lazy={
        name: (f"kollarm.cli.guest.{name}:{name}_command", summary)
        for name, summary in SUMMARIES.items()
    },
)
def group() -> None:
    """Prepare, prove and publish guest images."""
