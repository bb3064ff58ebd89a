"""``kollarm guest publish`` and ``kollarm guest audit``: guest images in a cloud's Glance."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import click

from core.config.model import Config, Guest
from core.errors import KollarmError, UnusableInput
from guestprep import publish, record
from guestprep.record import PreparationRecord
from kollarm.cli.common import (
    alone,
    optional_config,
    print_json,
    print_text,
    read_config,
    with_config,
    with_dry_run,
    with_json,
)
from kollarm.guests import selection


@click.command("publish")
@click.argument("images", nargs=-1, metavar="[NAME|FILE]…")
@click.option("--cloud", help="A cloud of clouds.yaml. Default: the configuration's, or $OS_CLOUD.")
@click.option("--adopt", is_flag=True, help="Take over an image of that name made otherwise.")
@click.option("--name", help="The name in Glance of the one FILE. Default: the file's own.")
@click.option(
    "--property",
    "properties",
    multiple=True,
    metavar="KEY=VALUE",
    help="On top of the usual properties; KEY= leaves one out. Repeatable.",
)
@click.option(
    "--visibility",
    type=click.Choice(["public", "private", "shared", "community"]),
    help="Who may use it. Default: the configuration's, or public.",
)
@click.option("--unchecked", is_flag=True, help="Don't look into a FILE that has no record.")
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
    """Register guest images in Glance: the configuration's prepared ones, or any FILE.

    Without a word all of the configuration's guests are meant. Publishing a FILE needs
    no configuration file.
    """
    given, chosen = _chosen(config_path, images, name)
    config = given or Config()
    more = dict(_pair(text) for text in properties)
    specs = []
    for guest, image, prepared in chosen:
        blindly = unchecked and prepared is None
        system = None if blindly else publish.bootable_system(image, prepared)
        spec = selection.publish_spec(config, guest, image, system, prepared)
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
    connection = selection.cloud(config, cloud)
    if dry_run:
        plans = [publish.plan(connection, image, spec) for image, spec in specs]
        if as_json:
            print_json([plan.to_dict() for plan in plans])
        else:
            print_text("\n".join(plan.to_text() for plan in plans))
        return
    with alone(config) if given else nullcontext():
        done = [publish.publish(connection, image, spec) for image, spec in specs]
    if as_json:
        print_json([one.to_dict() for one in done])
    else:
        print_text("\n".join(one.to_text() for one in done))


@click.command("audit")
@click.option("--cloud", help="A cloud of clouds.yaml. Default: the configuration's, or $OS_CLOUD.")
@click.option("--disks", is_flag=True, help="Download each image and look at the system on it.")
@with_config
@with_json
def audit(cloud: str | None, disks: bool, config_path: Path, as_json: bool) -> None:
    """Find the cloud's images that could be scheduled to a host of the wrong architecture.

    Each comes with the command that mends it. Needs no configuration file.
    """
    config = optional_config(config_path) or Config()
    inspect = publish.architecture_inside if disks else None
    report = publish.audit(selection.cloud(config, cloud), inspect=inspect)
    print_json(report.to_dict()) if as_json else print_text(report.to_text())
    if not report.passed:
        raise KollarmError("images could be scheduled to the wrong architecture")


def _chosen(
    config_path: Path, words: Sequence[str], name: str | None
) -> tuple[Config | None, list[tuple[Guest, Path, PreparationRecord | None]]]:
    """The configuration, and the guests meant by the words, each with its image and record.

    :return: None for a configuration that isn't there, and for a record.
    """
    named = [word for word in words if not selection.is_path(word)]
    files = [Path(word) for word in words if selection.is_path(word)]
    if name is not None and (len(files) != 1 or named):
        raise click.UsageError("--name goes with exactly one FILE")
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
