"""``kollarm constraints``: the versions of Python packages that images are built with."""

from __future__ import annotations

from pathlib import Path

import click

from builder import pipeline
from builder.request import BuildRequest
from kollarm.cli.common import read_config, show, with_config, with_json


@click.command("constraints")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--before",
    metavar="DATE",
    type=click.DateTime(["%Y-%m-%d"]),
    help="Take the versions that were the newest on this day (2026-04-20).",
)
@click.option(
    "--limit",
    "limits",
    multiple=True,
    metavar="SPEC",
    help="A limit, such as 'Django<6'. Repeatable.",
)
@with_config
@with_json
def constraints_command(
    folder: Path, before: object, limits: tuple[str, ...], config_path: Path, as_json: bool
) -> None:
    """Write FOLDER/upper-constraints.txt: a version for each Python package of the images.

    These are all packages that the configuration's images ask pip for, and what those need, in
    versions that fit together.
    """
    request = BuildRequest(read_config(config_path))
    show(
        pipeline.write_constraints(
            request, folder, before=f"{before:%Y-%m-%d}" if before else None, limits=limits
        ),
        as_json=as_json,
    )
