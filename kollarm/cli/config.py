"""``kollarm config``: the configuration as kollarm understands it."""

from __future__ import annotations

import json
from pathlib import Path

import click
import yaml

from core.config.schema import json_schema
from kollarm.cli.common import print_json, print_text, read_config, with_config, with_json
from kollarm.cli.groups import CommandGroup


@click.group("config", cls=CommandGroup)
def group() -> None:
    """Check and show the configuration file."""


@group.command("show", short_help="Check the file and print it resolved.")
@with_config
@with_json
def show(config_path: Path, as_json: bool) -> None:
    """Check the file and print it resolved: defaults filled in, paths absolute."""
    config = read_config(config_path)
    data = json.loads(config.model_dump_json())
    if as_json:
        print_json(data)
    else:
        print_text(f"# {config_path}, resolved\n" + yaml.safe_dump(data, sort_keys=False))


@group.command("schema", short_help="Print the JSON schema of the file, for editors.")
def schema() -> None:
    """Print the JSON schema of the configuration file, for editors and other tools.

    An editor finds it by a first line "# yaml-language-server: $schema=FILE".
    """
    print_json(json_schema())
