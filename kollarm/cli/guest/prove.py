"""``kollarm guest prove``: a published image's console, used through a cloud."""

from __future__ import annotations

from pathlib import Path

import click

from core.config.model import Config
from core.errors import KollarmError
from kollarm import console_proof
from kollarm.cli.common import (
    optional_config,
    show,
    with_cloud,
    with_config,
    with_json,
    with_screenshot,
)
from kollarm.guests.cloud import cloud_for


@click.command("prove")
@click.argument("image")
@with_cloud
@click.option(
    "--flavor",
    metavar="NAME",
    help="Use this flavor. Default: the smallest that the image fits into.",
)
@click.option(
    "--network", metavar="NAME", default="none", show_default=True, help="Use this network."
)
@click.option(
    "--host", metavar="NAME", help="Start it on this compute host (requires administrator rights)."
)
@with_screenshot
@with_config
@with_json
def prove_command(
    image: str,
    cloud: str | None,
    flavor: str | None,
    network: str,
    host: str | None,
    screenshot: Path | None,
    timeout: int,
    config_path: Path,
    as_json: bool,
) -> None:
    """Start an instance of a published IMAGE, and use its console through Nova's proxy.

    IMAGE is a name or an id in Glance. The instance is deleted again, whatever happens.
    Needs no configuration file.
    """
    config = optional_config(config_path) or Config()
    spec = proof_spec(image, flavor, network, host, screenshot, timeout)
    show_proof(config, cloud, spec, as_json=as_json)


def proof_spec(
    image: str,
    flavor: str | None,
    network: str,
    host: str | None,
    screenshot: Path | None,
    timeout: int,
) -> console_proof.ProofSpec:
    """The proof that the command's options ask for."""
    return console_proof.ProofSpec(
        image=image,
        flavor=flavor,
        network=None if network == "none" else network,
        host=host,
        timeout=timeout,
        screenshot=screenshot or Path(f"{Path(image).name}.png"),
    )


def show_proof(
    config: Config, cloud: str | None, spec: console_proof.ProofSpec, *, as_json: bool
) -> None:
    """Prove an image's console and print the report.

    :param cloud: a cloud of clouds.yaml, instead of the configuration's.
    :raises KollarmError: the proof failed.
    """
    report = console_proof.prove(cloud_for(config, cloud), spec)
    show(report, as_json=as_json)
    if report.diagnosis:
        raise KollarmError(report.summary, hint=report.diagnosis.remedy)
