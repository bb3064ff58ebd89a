"""``scripts/dev-cloud``: the small cloud's own command line."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import click

from core import files, lock, progress
from core.errors import ConfigError, KollarmError
from core.paths import project_dir
from kollarm.cli.common import print_text
from kollarm.cli.main import main
from testbed.cloud import cloud
from testbed.cloud.catalogue import FLAVOR
from testbed.cloud.layout import PORTS, CloudLayout

#: Where nothing usually listens.
FIRST_PORT = 17000

_SETTINGS = "settings.json"


@click.group()
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=project_dir() / ".kollarm" / "dev-cloud",
    help="Where the cloud keeps everything. Default: .kollarm/dev-cloud of the checkout.",
)
@click.pass_context
def group(context: click.Context, folder: Path) -> None:
    """A small real OpenStack cloud on this machine, for ARM guests."""
    context.obj = folder.absolute()


@group.command("up")
@click.option(
    "--port",
    type=click.IntRange(1024, 65535 - PORTS),
    help=f"The first of the {PORTS} ports it listens on. "
    f"Default: that of last time, else {FIRST_PORT}.",
)
@click.option(
    "--x86-host", is_flag=True, help="Add an x86 compute host; it stays until down --purge."
)
@click.pass_obj
def up(folder: Path, port: int | None, x86_host: bool) -> None:
    """Start it, or what of it doesn't run. Takes about a minute."""
    _need_root()
    started = time.monotonic()
    known = _known(folder)
    layout = CloudLayout(
        folder,
        port or (known.first_port if known else FIRST_PORT),
        x86_host or (known is not None and known.x86_host),
    )
    if known and known.first_port != layout.first_port and (folder / "database").exists():
        raise ConfigError(
            f"the cloud was made for the ports from {known.first_port}",
            hint="scripts/dev-cloud down --purge, then up with the other port",
        )
    with lock.held(folder, "scripts/dev-cloud up"):
        settings = {"first_port": layout.first_port, "x86_host": layout.x86_host}
        files.write(folder / _SETTINGS, json.dumps(settings) + "\n")
        cloud.up(layout)
        _hand_over(layout)
    print_text(f"the cloud is up ({progress.duration(time.monotonic() - started)})\n{_use(layout)}")


@group.command("status")
@click.pass_obj
def status(folder: Path) -> None:
    """Say what of it runs, and how to use it. The exit status is 1 unless all does."""
    layout = _known(folder)
    if layout is None:
        raise KollarmError("there is no cloud", hint="scripts/dev-cloud up makes one")
    parts = cloud.status(layout)
    for part in parts:
        state = f"runs, process {part.pid}" if part.pid else "doesn't run"
        print_text(f"{part.service:18} {state}; log: {layout.part(part.service) / 'log'}")
    if not all(part.pid for part in parts):
        raise KollarmError("the cloud isn't up", hint="scripts/dev-cloud up")
    print_text(_use(layout))


@group.command("down")
@click.option("--purge", is_flag=True, help="Delete its images, instances and records too.")
@click.pass_obj
def down(folder: Path, purge: bool) -> None:
    """End it and its guests. Its images are kept for the next time."""
    layout = _known(folder)
    if layout is None:
        print_text("there is no cloud")
        return
    _need_root()
    with lock.held(folder, "scripts/dev-cloud down"):
        ended = cloud.down(layout, purge=purge)
    if purge:
        print_text("the cloud is gone, with all it kept")
    else:
        print_text(f"{ended} services ended" if ended else "the cloud wasn't up")


def _use(layout: CloudLayout) -> str:
    """What a person does with it."""
    return "\n".join(
        [
            f"clouds.yaml: {layout.clouds_yaml}",
            "",
            f"  export OS_CLIENT_CONFIG_FILE={layout.clouds_yaml} OS_CLOUD={cloud.CLOUD}",
            f"  kollarm guest publish --cloud {cloud.CLOUD}",
            f"  kollarm guest prove IMAGE --cloud {cloud.CLOUD} --flavor {FLAVOR} --network none",
            "",
            "Guests are emulated here: an image needs the property (guests[].properties)",
            "  hw_emulation_architecture: aarch64",
        ]
    )


def _known(folder: Path) -> CloudLayout | None:
    try:
        settings = json.loads((folder / _SETTINGS).read_text())
        return CloudLayout(folder, int(settings["first_port"]), bool(settings["x86_host"]))
    except (OSError, ValueError, KeyError):
        return None


def _need_root() -> None:
    if os.geteuid() != 0:
        raise KollarmError(
            "libvirt and nova-compute need root",
            hint="run it by scripts/dev-cloud, which asks sudo",
        )


def _hand_over(layout: CloudLayout) -> None:
    """Give clouds.yaml to the person who asked sudo for the cloud."""
    if user := os.environ.get("SUDO_UID"):
        os.chown(layout.clouds_yaml, int(user), int(os.environ.get("SUDO_GID", "-1")))


if __name__ == "__main__":
    sys.exit(main(command=group, name="scripts/dev-cloud"))
