"""``kollarm prune``: remove from the registry what no index names."""

from __future__ import annotations

from pathlib import Path

import click

from builder.request import BuildRequest
from core.oci.client import client_for
from kollarm import prune
from kollarm.cli.common import alone, print_text, read_config, show, with_config, with_json
from kollarm.cli.image_names import repositories
from kollarm.services.registry import EmbeddedRegistry, start_registry


@click.command("prune")
@click.argument("images", nargs=-1, metavar="[IMAGE]…")
@click.option("--yes", is_flag=True, help="Remove it. Default: only list it.")
@with_config
@with_json
def prune_command(images: tuple[str, ...], yes: bool, config_path: Path, as_json: bool) -> None:
    """List what no index in the registry names, and with --yes remove it.

    These are members of tags that aren't built any more, and indices whose tag has moved on,
    with their members and attestations. Only the repositories of the configuration's images
    are looked at; IMAGE is the name of a container image and names one of them. No tag of an
    index is removed, nor what it names. Don't remove while another machine builds.
    """
    config = read_config(config_path)
    with alone(config):
        start_registry(config)
        client = client_for(config)
        chosen = prune.plan(client, repositories(config, images), BuildRequest(config).tag)
        show(chosen, as_json=as_json)
        if yes:
            prune.carry_out(client, chosen)
        if yes and config.registry.embedded:
            EmbeddedRegistry(config.registry, config.state_dir).collect_garbage()
    if chosen.removals and not as_json:
        freed = "" if config.registry.embedded else "; its garbage collection frees the space"
        print_text(
            f"removed from the registry{freed}"
            if yes
            else "nothing was removed: kollarm prune --yes does it"
        )
