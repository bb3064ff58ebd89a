"""``kollarm guest audit``: images that could be scheduled to the wrong architecture."""

from __future__ import annotations

from pathlib import Path

import click

from core.config.model import Config
from core.errors import KollarmError
from guestprep import publish
from kollarm.cli.common import optional_config, show, with_cloud, with_config, with_json
from kollarm.guests.cloud import cloud_for


@click.command("audit")
@with_cloud
@click.option("--disks", is_flag=True, help="Download each image and check the system on it.")
@with_config
@with_json
def audit_command(cloud: str | None, disks: bool, config_path: Path, as_json: bool) -> None:
    """Find images and volumes of a cloud that could be started on a host of the wrong architecture.

    Each is listed with the command that fixes it, and so is what the compute hosts need.
    Needs no configuration file.
    """
    config = optional_config(config_path) or Config()
    inspect = publish.architecture_inside if disks else None
    report = publish.audit(cloud_for(config, cloud), inspect=inspect)
    show(report, as_json=as_json)
    if not report.passed:
        raise KollarmError("guests could be started on the wrong host, or be dark")
