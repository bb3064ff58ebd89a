"""``kollarm guest``: the group of commands for guest images."""

from __future__ import annotations

import click

from kollarm.cli.groups import CommandGroup, LazyCommand


def _command(name: str, summary: str) -> LazyCommand:
    return LazyCommand(name, f"kollarm.cli.guest.{name}", f"{name}_command", summary)


@click.group(
    "guest",
    cls=CommandGroup,
    lazy=(
        _command("audit", "Find images that could be scheduled to the wrong architecture."),
        _command("boot", "Start an image as Nova would, and look at its screen."),
        _command("inspect", "Show what an image contains."),
        _command("prepare", "Prepare images, so that their consoles work."),
        _command("prove", "Prove a published image's console in a cloud."),
        _command("publish", "Register images in Glance."),
        _command("verify", "Check an image without starting it."),
    ),
)
def group() -> None:
    """Prepare, prove and publish guest images."""
