"""``kollarm guest prove``: a published image's console, used through a cloud."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from core.config.model import Config
from core.errors import KollarmError
from kollarm import console_proof
from kollarm.cli.common import (
    optional_config,
    show,
    together,
    with_cloud,
    with_config,
    with_json,
    with_screenshot,
)
from kollarm.guests.cloud import cloud_for

with_proof = together(
    with_cloud,
    click.option(
        "--flavor",
        metavar="NAME",
        help="Use this flavor. Default: the smallest that the image fits into.",
    ),
    click.option(
        "--network", metavar="NAME", default="none", show_default=True, help="Use this network."
    ),
    click.option(
        "--host",
        metavar="NAME",
        help="Start it on this compute host (requires administrator rights).",
    ),
    with_screenshot,
)


def _changes(context: click.Context, option: click.Parameter, text: str) -> tuple[Any, ...]:
    known = {change.value: change for change in console_proof.InstanceChange}
    words = [word for word in text.split(",") if word]
    for word in words:
        if word not in known:
            raise click.BadParameter(f"{word!r} is none of {', '.join(known)}")
    return tuple(known[word] for word in words)


@click.command("prove")
@click.argument("image")
@with_proof
@click.option(
    "--console",
    type=click.Choice([kind.value for kind in console_proof.ConsoleKind]),
    default="novnc",
    show_default=True,
    help="Use the screen, or the serial port.",
)
@click.option(
    "--after",
    metavar="CHANGE,…",
    default="",
    callback=_changes,
    help="Prove the console again after each of: reboot (a hard one), rebuild, resize.",
)
@click.option(
    "--resize-to", metavar="FLAVOR", help="Resize to this flavor. Default: the next larger one."
)
@with_config
@with_json
def prove_command(image: str, config_path: Path, as_json: bool, **options: Any) -> None:
    """Start an instance of a published IMAGE, and use its console through Nova's proxy.

    IMAGE is a name or an id in Glance. The instance is deleted again, whatever happens.
    Needs no configuration file.
    """
    prove(optional_config(config_path) or Config(), image, as_json=as_json, **options)


def prove(
    config: Config,
    image: str,
    *,
    cloud: str | None,
    flavor: str | None,
    network: str,
    host: str | None,
    screenshot: Path | None,
    timeout: int,
    as_json: bool,
    console: str = "novnc",
    after: tuple[console_proof.InstanceChange, ...] = (),
    resize_to: str | None = None,
) -> None:
    """Prove an image's console and print the report.

    :param cloud: a cloud of clouds.yaml, instead of the configuration's.
    :raises KollarmError: the proof failed.
    """
    spec = console_proof.ProofSpec(
        image=image,
        flavor=flavor,
        network=None if network == "none" else network,
        host=host,
        timeout=timeout,
        screenshot=screenshot or Path(f"{Path(image).name}.png"),
        console=console_proof.ConsoleKind(console),
        after=after,
        resize_to=resize_to,
    )
    report = console_proof.prove(cloud_for(config, cloud), spec)
    show(report, as_json=as_json)
    if report.diagnosis:
        raise KollarmError(report.summary, hint=report.diagnosis.remedy)
