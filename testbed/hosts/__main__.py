"""``scripts/test-hosts``: the command line of the hosts."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import yaml

from core import lock
from core.errors import ConfigError, KollarmError
from core.paths import project_dir
from kollarm.cli.common import print_text
from kollarm.cli.main import main
from testbed.hosts.bed import TestBed, deploy_example


@click.group()
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=project_dir() / ".kollarm" / "test-hosts",
    help="Where their key is. Default: .kollarm/test-hosts in the checkout.",
)
@click.pass_context
def group(context: click.Context, folder: Path) -> None:
    """Run hosts for `kollarm deploy` as containers with systemd, ssh and sudo."""
    context.obj = TestBed(folder)


@group.command("up")
@click.argument("names", nargs=-1, metavar="[NAME]…")
@click.option("--arm", multiple=True, metavar="NAME", help="An ARM host, emulated. Repeatable.")
@click.option("--api", default="eth0", help="Name of the interface with an address.")
@click.option("--external", default="eth1", help="Name of the one without.")
@click.pass_obj
def up(bed: TestBed, names: tuple[str, ...], arm: tuple[str, ...], api: str, external: str) -> None:
    """Start hosts of these names, and print what the section `deploy` needs to know."""
    if not names and not arm:
        raise ConfigError("no host is named", hint="scripts/test-hosts up NAME…")
    with lock.held(bed.folder.parent, "scripts/test-hosts up"):
        hosts = bed.up(names, (api, external), arm=arm)
    print_text(yaml.safe_dump({"deploy": deploy_example(bed, hosts)}, sort_keys=False).rstrip())
    print_text(f"# this machine, where a registry may listen: {bed.gateway}")


@group.command("status")
@click.pass_obj
def status(bed: TestBed) -> None:
    """Show the hosts. Exit status 1 if one doesn't run."""
    hosts = bed.status()
    for host in hosts:
        print_text(f"{host.name:16} {host.address or '-':16} {host.state}")
    if not hosts:
        raise KollarmError("there are no hosts", hint="start some: scripts/test-hosts up NAME…")
    if not all(host.up for host in hosts):
        raise KollarmError("some hosts don't run", hint="start them: scripts/test-hosts up NAME…")


@group.command("down")
@click.pass_obj
def down(bed: TestBed) -> None:
    """Remove the hosts with everything in them."""
    with lock.held(bed.folder.parent, "scripts/test-hosts down"):
        count = bed.down()
    print_text(f"{count} hosts removed" if count else "there are no hosts")


if __name__ == "__main__":
    sys.exit(main(command=group, name="scripts/test-hosts"))
