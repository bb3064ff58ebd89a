"""``kollarm guest verify``: check an image without starting it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from core.config.model import Config
from core.errors import KollarmError
from guestprep.verify import verify
from kollarm.cli.common import image_file, optional_config, show, with_config, with_json
from kollarm.cli.guest.boot import REMEDY, show_boot
from kollarm.cli.guest.prove import prove, with_proof


@click.command("verify")
@click.argument("file", type=image_file)
@click.option("--boot", is_flag=True)
@with_proof
@with_config
@with_json
def verify_command(
    file: Path, boot: bool, config_path: Path, as_json: bool, **options: Any
) -> None:
    """Check that an image's VNC console will work, without starting it.

    FILE is a disk image; it is only read. kollarm guest boot starts it.
    Needs no configuration file.
    """
    in_cloud = options["cloud"] is not None
    if boot and in_cloud:
        raise click.UsageError("--boot is for a file, --cloud for an image in a cloud")
    if not in_cloud and (options["flavor"] or options["host"] or options["network"] != "none"):
        raise click.UsageError("--flavor, --network and --host require --cloud")
    config = optional_config(config_path) or Config()
    if boot:
        show_boot(file, options["screenshot"], options["timeout"], as_json=as_json)
    elif in_cloud:
        prove(config, str(file), as_json=as_json, **options)
    else:
        checks = verify(file)
        show(checks, as_json=as_json)
        if not checks.good:
            raise KollarmError(f"{file}: not every check passed", hint=REMEDY)


# The earlier spellings of ``guest boot`` and ``guest prove`` work, but are not in the help.
for parameter in verify_command.params:
    if isinstance(parameter, click.Option):
        parameter.hidden = parameter.name not in ("config_path", "as_json")
