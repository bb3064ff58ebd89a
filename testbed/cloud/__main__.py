"""``scripts/dev-cloud``: the command line of the small cloud."""

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
from testbed.cloud import lifecycle
from testbed.cloud.layout import PORTS, CloudLayout
from testbed.cloud.service_catalog import FLAVOR

#: The first port by default; few programs use this range.
FIRST_PORT = 17000

_SETTINGS = "settings.json"


@click.group()
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=project_dir() / ".kollarm" / "dev-cloud",
    help="The cloud's folder. Default: .kollarm/dev-cloud in the checkout.",
)
@click.pass_context
def group(context: click.Context, folder: Path) -> None:
    """Run a small real OpenStack cloud for ARM guests on this machine."""
    context.obj = folder.absolute()


@group.command("up")
@click.option(
    "--port",
    type=click.IntRange(1024, 65535 - PORTS),
    help=f"The first of the {PORTS} ports it listens on. "
    f"Default: as in the last run, initially {FIRST_PORT}.",
)
@click.option("--x86-host", is_flag=True, help="Add an x86 compute host, until down --purge.")
@click.option(
    "--serial",
    is_flag=True,
    help="Give guests serial consoles to type at, until down --purge. Other users of this machine "
    "can reach them.",
)
@click.option(
    "--signatures", is_flag=True, help="Start guests of signed images only, until down --purge."
)
@click.pass_obj
def up(folder: Path, port: int | None, x86_host: bool, serial: bool, signatures: bool) -> None:
    """Start the services of the cloud that are not running (about a minute)."""
    _need_root()
    started = time.monotonic()
    known = _known(folder)
    before = known or CloudLayout(folder, FIRST_PORT)
    layout = CloudLayout(
        folder,
        port or before.first_port,
        x86_host=x86_host or before.x86_host,
        serial=serial or before.serial,
        signatures=signatures or before.signatures,
    )
    claim(folder)
    # The servers' own users have to reach their files; the folder keeps everybody else out.
    os.umask(0o022)
    if known and known.first_port != layout.first_port and (folder / "database").exists():
        raise ConfigError(
            f"the cloud already uses the ports from {known.first_port}",
            hint="run scripts/dev-cloud down --purge, then up with the other port",
        )
    with lock.held(folder, "scripts/dev-cloud up"):
        names = ("first_port", "x86_host", "serial", "signatures")
        settings = {name: getattr(layout, name) for name in names}
        files.write(folder / _SETTINGS, json.dumps(settings) + "\n")
        lifecycle.up(layout)
        _give_to_user(layout.clouds_yaml)
    print_text(
        f"the cloud is running ({progress.duration(time.monotonic() - started)})\n{_usage(layout)}"
    )


@group.command("status")
@click.pass_obj
def status(folder: Path) -> None:
    """Show which services are running and how to use the cloud. Exit status 1 if any is not."""
    layout = _known(folder)
    if layout is None:
        raise KollarmError("there is no cloud", hint="start one: scripts/dev-cloud up")
    services = lifecycle.status(layout)
    for service in services:
        state = f"running, process {service.pid}" if service.pid else "not running"
        print_text(f"{service.name:18} {state}; log: {layout.service_folder(service.name) / 'log'}")
    if not all(service.pid for service in services):
        raise KollarmError("some services are not running", hint="start them: scripts/dev-cloud up")
    print_text(_usage(layout))


@group.command("down")
@click.option("--purge", is_flag=True, help="Also delete its images, instances and databases.")
@click.pass_obj
def down(folder: Path, purge: bool) -> None:
    """Stop the cloud and its guests. Its images are kept."""
    layout = _known(folder)
    if layout is None:
        print_text("there is no cloud")
        return
    _need_root()
    with lock.held(folder, "scripts/dev-cloud down"):
        stopped = lifecycle.down(layout, purge=purge)
    if purge:
        print_text("the cloud and its data were removed")
    else:
        print_text(f"{stopped} services stopped" if stopped else "the cloud is not running")


def _usage(layout: CloudLayout) -> str:
    """The commands that use the cloud."""
    return "\n".join(
        [
            f"clouds.yaml: {layout.clouds_yaml}",
            "",
            f"  export OS_CLIENT_CONFIG_FILE={layout.clouds_yaml} OS_CLOUD={lifecycle.CLOUD}",
            f"  kollarm guest publish --cloud {lifecycle.CLOUD}",
            f"  kollarm guest prove IMAGE --cloud {lifecycle.CLOUD} --flavor {FLAVOR} "
            "--network none",
            "",
            "Guests are emulated here, so an image needs this property (guests[].properties):",
            "  hw_emulation_architecture: aarch64",
        ]
    )


def _known(folder: Path) -> CloudLayout | None:
    try:
        settings = json.loads((folder / _SETTINGS).read_text())
        flags = {name: bool(settings.get(name)) for name in ("x86_host", "serial", "signatures")}
        return CloudLayout(folder, int(settings["first_port"]), **flags)
    except (OSError, ValueError, KeyError):
        return None


def _need_root() -> None:
    if os.geteuid() != 0:
        raise KollarmError(
            "libvirt and nova-compute require root",
            hint="use scripts/dev-cloud, which runs them with sudo",
        )


def claim(folder: Path) -> None:
    """Make the cloud's folder its user's alone: other users could do in it what root can.

    :raises ConfigError: it holds something else.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / "passwords").exists():
        if not (folder / _SETTINGS).exists():
            raise ConfigError(
                f"{folder} holds something else than a cloud", hint="name an empty --folder"
            )
        raise ConfigError(
            "this cloud was made by an older kollarm, with passwords that everybody knows",
            hint="remove it first, with its data: scripts/dev-cloud down --purge",
        )
    files.private_folder(folder).chmod(0o700)
    files.private_folder(folder / "passwords")
    _give_to_user(folder)


def _give_to_user(path: Path) -> None:
    """Make the user who called sudo the owner."""
    if user := os.environ.get("SUDO_UID"):
        os.chown(path, int(user), int(os.environ.get("SUDO_GID", "-1")))


if __name__ == "__main__":
    sys.exit(main(command=group, name="scripts/dev-cloud"))
