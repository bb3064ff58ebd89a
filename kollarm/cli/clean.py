"""``kollarm clean``: remove what a project's runs have left."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from core.config.model import Config
from core.errors import ConfigError
from kollarm import clean
from kollarm.cli.common import (
    alone,
    optional_config,
    print_text,
    show,
    with_config,
    with_dry_run,
    with_json,
)


@click.command("clean")
@click.option(
    "--services",
    is_flag=True,
    help="Stop the embedded registry and Glance, and remove their data with every image.",
)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@with_config
@with_dry_run
@with_json
def clean_command(
    services: bool, yes: bool, config_path: Path, dry_run: bool, as_json: bool
) -> None:
    """Remove the prepared images, logs and reports of earlier runs from the state folder.

    What is removed is listed first. The deployment's configuration, with its passwords, stays, and
    so does the cache, which every project of a user shares.
    """
    config = optional_config(config_path) or Config(state_dir=Path(".kollarm").absolute())
    if not config.state_dir.is_dir():
        show(clean.CleanPlan(()), as_json=as_json)
        return
    with alone(config):
        chosen = clean.plan(config.state_dir, services=services)
        show(chosen, as_json=as_json)
        if dry_run or not chosen.removals:
            return
        if not yes and not sys.stdin.isatty():
            raise ConfigError("there is no terminal to ask at", hint="confirm it with --yes")
        if not yes and not click.confirm("Remove this?", err=True):
            print_text("nothing was removed")
            return
        clean.carry_out(chosen)
