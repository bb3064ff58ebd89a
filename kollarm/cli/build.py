"""``kollarm build``: container images for every architecture, joined under one tag."""

from __future__ import annotations

from pathlib import Path

import click

from builder import freshness, pipeline
from builder.record import BuildRecord
from core.config.model import Architecture
from core.progress import duration, size
from kollarm.cli.common import (
    alone,
    print_json,
    print_table,
    print_text,
    read_config,
    show,
    with_config,
    with_dry_run,
    with_json,
)
from kollarm.services.registry import start_registry


@click.command("build")
@click.argument("images", nargs=-1, metavar="[IMAGE]…")
@click.option(
    "--arch",
    "architectures",
    multiple=True,
    type=click.Choice([architecture.value for architecture in Architecture]),
    help="Only this architecture; may be given more than once. Default: the configuration's.",
)
@click.option("--force", is_flag=True, help="Build also what is there with the same key.")
@click.option(
    "--refresh",
    metavar="AGE",
    help="Build again what holds packages older than AGE (12h, 7d, 2w), and what starts from it.",
)
@click.option(
    "--keep-members",
    is_flag=True,
    help="In indices, keep images of architectures that the configuration doesn't build.",
)
@with_config
@with_dry_run
@with_json
def build(
    images: tuple[str, ...],
    architectures: tuple[str, ...],
    force: bool,
    refresh: str | None,
    keep_members: bool,
    config_path: Path,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Build container images, push them, and join the architectures under one tag.

    IMAGE is the name of a Kolla image (default: the configuration's list). What
    is in the registry already, made from the same inputs, is left alone.
    """
    options = pipeline.BuildOptions(
        force, freshness.age(refresh) if refresh else None, keep_members
    )
    config = read_config(config_path)
    folder = config_path.resolve().parent
    wanted = images or None
    chosen = [Architecture(name) for name in architectures] or None
    if dry_run:
        start_registry(config)
        plan = pipeline.plan(
            config, project_dir=folder, images=wanted, architectures=chosen, options=options
        )
        show(plan, as_json=as_json)
        return
    with alone(config):
        start_registry(config)
        record = pipeline.build(
            config, project_dir=folder, images=wanted, architectures=chosen, options=options
        )
    if as_json:
        print_json(record.to_dict())
    else:
        print_record(record)
    record.raise_for_failures()


def print_record(record: BuildRecord) -> None:
    """Print what a build did as tables."""
    print_table(
        "Container images",
        ["image", "architecture", "state", "digest", "size", "time"],
        [
            [
                row.image,
                row.architecture.value,
                row.state.value,
                short(row.digest),
                size(row.size) if row.size else "",
                duration(row.seconds) if row.seconds else "",
            ]
            for row in record.images
        ],
    )
    print_table(
        "Indices",
        ["reference", "architectures", "state", "digest"],
        [
            [row.reference, ", ".join(row.members), row.state.value, short(row.digest)]
            for row in record.indices
        ],
    )
    for line in record.left_out:
        print_text(f"left out: {line}")


def short(digest: str | None) -> str:
    """A digest as far as a person needs it to tell two apart."""
    return (digest or "")[:19]
