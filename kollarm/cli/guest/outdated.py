"""``kollarm guest outdated``: prepared images whose source has a newer release."""

from __future__ import annotations

from pathlib import Path

import click

from core.errors import KollarmError
from kollarm.cli.common import read_config, show, with_config, with_json
from kollarm.guests import selection
from kollarm.guests.outdated import find_outdated


@click.command("outdated")
@click.argument("names", nargs=-1, metavar="[NAME]…")
@with_config
@with_json
def outdated_command(names: tuple[str, ...], config_path: Path, as_json: bool) -> None:
    """Find prepared images whose source has been published anew since.

    NAME is a guest of the configuration. Default: all of them. Only the publishers' signed lists
    of digests are downloaded.
    """
    config = read_config(config_path)
    chosen = selection.choose(config, list(names))
    report = find_outdated([(guest, selection.output(config, guest)) for guest in chosen])
    show(report, as_json=as_json)
    if report.outdated:
        raise KollarmError(
            f"newer images are published for {', '.join(report.outdated)}",
            hint=f"kollarm guest prepare {' '.join(report.outdated)}",
        )
