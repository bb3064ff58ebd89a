"""``kollarm build``: container images for every architecture, joined under one tag."""

from __future__ import annotations

from pathlib import Path

import click

from builder import freshness, image_list, pipeline
from builder.request import BuildRequest
from core.config.model import Architecture
from kollarm.cli.common import (
    alone,
    read_config,
    show,
    with_config,
    with_dry_run,
    with_json,
    with_tag,
)
from kollarm.earlier_builds import note_builds
from kollarm.services.registry import start_registry


@click.command("build")
@click.argument("images", nargs=-1, metavar="[IMAGE]…")
@click.option(
    "--arch",
    "architectures",
    multiple=True,
    type=click.Choice([architecture.value for architecture in Architecture]),
    help="Build only this architecture. Repeatable. Default: those of the configuration.",
)
@with_tag
@click.option("--force", is_flag=True, help="Rebuild images even if they are up to date.")
@click.option(
    "--refresh",
    metavar="AGE",
    help="Rebuild images whose packages are older than AGE (12h, 7d, 2w), and their children.",
)
@click.option(
    "--drop-members",
    is_flag=True,
    help="Drop images of architectures that the configuration doesn't build from indices.",
)
@click.option(
    "--list-images",
    is_flag=True,
    help="List the images with their parents, and build nothing.",
)
@with_config
@with_dry_run
@with_json
def build(
    images: tuple[str, ...],
    architectures: tuple[str, ...],
    tag: str | None,
    force: bool,
    refresh: str | None,
    drop_members: bool,
    list_images: bool,
    config_path: Path,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Build container images, push them, and join the architectures under one tag.

    IMAGE is the name of a Kolla image (default: the configuration's list). Images that
    the registry has already, built from the same inputs, are kept.
    """
    age = freshness.age(refresh) if refresh else None
    config = read_config(config_path, tag)
    request = BuildRequest(
        config,
        images=images,
        architectures=[Architecture(name) for name in architectures],
        force=force,
        refresh=age,
        drop_members=drop_members,
    )
    if list_images:
        show(image_list.list_images(request), as_json=as_json)
        return
    if dry_run:
        start_registry(config)
        show(pipeline.plan(request), as_json=as_json)
        return
    with alone(config):
        start_registry(config)
        record = pipeline.build(request)
        note_builds(config, record)
    show(record, as_json=as_json)
    record.raise_for_failures()
