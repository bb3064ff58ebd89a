"""``kollarm guest list``: the guests of the configuration, and the catalogue."""

from __future__ import annotations

from pathlib import Path

import click

from kollarm.cli.common import read_config, show, with_config, with_json
from kollarm.guests.listing import CatalogueList, list_guests


@click.command("list")
@click.option(
    "--catalogue", is_flag=True, help="List the published images that source.image can name."
)
@with_config
@with_json
def list_command(catalogue: bool, config_path: Path, as_json: bool) -> None:
    """List the configuration's guests, and what was prepared and booted of them.

    --catalogue needs no configuration file.
    """
    result = CatalogueList() if catalogue else list_guests(read_config(config_path))
    show(result, as_json=as_json)
