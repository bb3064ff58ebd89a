"""``kollarm guest prepare``: change images so that their consoles work."""

from __future__ import annotations

from pathlib import Path

import click

from core.config.base import Architecture
from core.config.model import Config
from guestprep import pipeline
from guestprep.spec import PreparationPart
from kollarm.cli.common import (
    alone,
    image_file,
    optional_config,
    read_config,
    show_all,
    with_architecture,
    with_config,
    with_dry_run,
    with_json,
)
from kollarm.guests import prepare, selection


@click.command("prepare")
@click.argument("names", nargs=-1, metavar="[NAME|FILE]…")
@click.option(
    "-o",
    "--output",
    type=image_file,
    metavar="FILE",
    help="Write this qcow2 file, if one guest is prepared. Default: in the state folder.",
)
@click.option(
    "--only",
    type=click.Choice([part.value for part in PreparationPart]),
    multiple=True,
    help="Do only this part of the preparation. Repeatable.",
)
@with_architecture("The architecture of the images that are FILEs.", "--architecture")
@with_config
@with_dry_run
@with_json
def prepare_command(
    names: tuple[str, ...],
    output: Path | None,
    only: tuple[str, ...],
    architecture: str,
    config_path: Path,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Prepare guest images, so that their consoles work; several of them side by side.

    NAME is a guest of the configuration. Default: all of them.
    FILE is a path with a slash, or one that ends in .img, .qcow2 or .raw. Preparing a FILE
    needs no configuration file.
    """
    files = [name for name in names if selection.is_path(name)]
    named = [name for name in names if name not in files]
    config = optional_config(config_path) if files and not named else read_config(config_path)
    config = config or Config()
    machine = Architecture(architecture)
    chosen = [selection.of_file(Path(file), architecture=machine) for file in files]
    if named or not files:
        chosen += selection.choose(config, named)
    if output is not None and len(chosen) != 1:
        raise click.UsageError("-o names one file, but several guests are selected")
    parts = [PreparationPart(name) for name in only]
    if dry_run:
        plans = [pipeline.plan(guest, only=parts) for guest in chosen]
        show_all(plans, as_json=as_json)
        return
    with alone(config):
        outputs = [(guest, output or selection.output(config, guest)) for guest in chosen]
        records = prepare.prepare_all(config, outputs, only=parts)
    show_all(records, as_json=as_json)
