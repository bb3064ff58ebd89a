"""``kollarm guest publish``: register images in a cloud's Glance."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import click

from core.config.model import Config, Guest
from core.errors import UnusableInput
from guestprep import publish, record
from guestprep.record import PreparationRecord
from kollarm.cli.common import (
    alone,
    optional_config,
    read_config,
    show_all,
    with_cloud,
    with_config,
    with_dry_run,
    with_json,
)
from kollarm.guests import selection
from kollarm.guests.cloud import clouds_for
from kollarm.guests.publishing import publish_spec


@click.command("publish")
@click.argument("images", nargs=-1, metavar="[NAME|FILE]…")
@with_cloud
@click.option(
    "--adopt", is_flag=True, help="Take over an image of that name that kollarm did not make."
)
@click.option(
    "--name",
    metavar="NAME",
    help="Publish the one FILE under this name. Default: that of the file.",
)
@click.option(
    "--property",
    "properties",
    multiple=True,
    metavar="KEY=VALUE",
    help="Add a property to the usual ones, or omit one (KEY=). Repeatable.",
)
@click.option(
    "--visibility",
    type=click.Choice(["public", "private", "shared", "community"]),
    help="Set who may use the images. Default: the configuration's, or public.",
)
@click.option("--unchecked", is_flag=True, help="Do not examine a FILE that has no record.")
@with_config
@with_dry_run
@with_json
def publish_command(
    images: tuple[str, ...],
    cloud: str | None,
    adopt: bool,
    name: str | None,
    properties: tuple[str, ...],
    visibility: str | None,
    unchecked: bool,
    config_path: Path,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Register guest images in Glance.

    NAME is a prepared guest of the configuration. Default: all of them.
    Publishing a FILE needs no configuration file.
    """
    given, chosen = _chosen(config_path, images, name)
    config = given or Config()
    more = dict(_pair(text) for text in properties)
    specs = []
    for guest, image, prepared in chosen:
        blindly = unchecked and prepared is None
        system = None if blindly else publish.bootable_system(image, prepared)
        spec = publish_spec(config, guest, image, system, prepared)
        specs.append(
            (
                image,
                dataclasses.replace(
                    spec,
                    adopt=adopt,
                    properties={**spec.properties, **more},
                    visibility=visibility or spec.visibility,
                ),
            )
        )
    work = [
        (connection, image, spec)
        for connection in clouds_for(config, cloud)
        for image, spec in specs
    ]
    if dry_run:
        plans = [publish.plan(*each) for each in work]
        show_all(plans, as_json=as_json)
        return
    with alone(config) if given else nullcontext():
        records = [publish.publish(*each) for each in work]
    show_all(records, as_json=as_json)


def _chosen(
    config_path: Path, words: Sequence[str], name: str | None
) -> tuple[Config | None, list[tuple[Guest, Path, PreparationRecord | None]]]:
    """The configuration, and the guests that were named, each with its image and record.

    :return: None for a configuration that does not exist, and for such a record.
    """
    named = [word for word in words if not selection.is_path(word)]
    files = [Path(word) for word in words if selection.is_path(word)]
    if name is not None and (len(files) != 1 or named):
        raise click.UsageError("--name requires exactly one FILE")
    config = optional_config(config_path) if files and not named else read_config(config_path)
    chosen: list[tuple[Guest, Path, PreparationRecord | None]] = []
    if config is not None and (named or not files):
        for guest in selection.choose(config, named):
            image = selection.output(config, guest)
            chosen.append((guest, image, record.read(image)))
    chosen += [(selection.of_file(file, name), file, _record(file)) for file in files]
    return config, chosen


def _record(image: Path) -> PreparationRecord | None:
    """The record beside an image, as far as it is this image's."""
    try:
        return record.read(image)
    except UnusableInput:
        return None


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise click.UsageError(f"--property takes KEY=VALUE, not {text!r}")
    return key, value
