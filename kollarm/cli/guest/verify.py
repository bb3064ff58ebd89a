"""``kollarm guest verify``: check an image without starting it."""

from __future__ import annotations

from pathlib import Path

import click

from core.config.model import Config
from core.errors import KollarmError
from guestprep.verify import verify
from kollarm.cli.common import image_file, optional_config, show, with_config, with_json
from kollarm.cli.guest.boot import REMEDY, show_boot
from kollarm.cli.guest.prove import proof_spec, show_proof


# The hidden options are the earlier spelling of ``guest boot`` and ``guest prove``.
@click.command("verify")
@click.argument("file", type=image_file)
@click.option("--boot", is_flag=True, hidden=True)
@click.option("--cloud", hidden=True)
@click.option("--flavor", hidden=True)
@click.option("--network", default="none", hidden=True)
@click.option("--host", hidden=True)
@click.option("--screenshot", type=image_file, hidden=True)
@click.option("--timeout", type=click.IntRange(min=1), default=900, hidden=True)
@with_config
@with_json
def verify_command(
    file: Path,
    boot: bool,
    cloud: str | None,
    flavor: str | None,
    network: str,
    host: str | None,
    screenshot: Path | None,
    timeout: int,
    config_path: Path,
    as_json: bool,
) -> None:
    """Check that an image's VNC console will work, without starting it.

    The image is only read. ``kollarm guest boot`` starts it. Needs no configuration file.
    """
    if boot and cloud is not None:
        raise click.UsageError("--boot is for a file, --cloud for an image in a cloud")
    if cloud is None and (flavor or host or network != "none"):
        raise click.UsageError("--flavor, --network and --host require --cloud")
    config = optional_config(config_path) or Config()
    if boot:
        show_boot(file, screenshot, timeout, as_json=as_json)
    elif cloud is not None:
        spec = proof_spec(str(file), flavor, network, host, screenshot, timeout)
        show_proof(config, cloud, spec, as_json=as_json)
    else:
        show_checks(file, as_json=as_json)


def show_checks(file: Path, *, as_json: bool) -> None:
    """Check an image and print what was checked.

    :raises KollarmError: a check failed.
    """
    checks = verify(file)
    show(checks, as_json=as_json)
    if not checks.good:
        raise KollarmError(f"{file}: not every check passed", hint=REMEDY)
