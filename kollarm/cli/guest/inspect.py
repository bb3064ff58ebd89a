"""``kollarm guest inspect``."""

from __future__ import annotations

from pathlib import Path

import click

from guestprep.inspect import inspect_image
from kollarm.cli.common import image_file, show, with_json


@click.command("inspect")
@click.argument("file", type=image_file)
@with_json
def inspect_command(file: Path, as_json: bool) -> None:
    """Show what an image contains: its kernels and where their virtio_gpu is, its boot
    loader, command lines and consoles.

    FILE is a disk image; it is only read. Needs no configuration file.
    """
    show(inspect_image(file).facts, as_json=as_json)
