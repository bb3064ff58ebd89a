"""``kollarm lint`` and ``kollarm overlays``: check, list, show and export overlays."""

from __future__ import annotations

from pathlib import Path

import click

from builder.lint.check import check_overlays
from builder.overlay_diff import dockerfile_diff
from builder.overlay_export import export
from builder.overlays.listing import list_overlays
from core.config.model import Architecture, Config
from core.errors import ConfigError
from kollarm.cli.common import (
    optional_config,
    print_json,
    print_text,
    read_config,
    show,
    with_architecture,
    with_config,
    with_json,
)
from kollarm.cli.groups import CommandGroup


@click.command("lint")
@click.argument("names", nargs=-1, metavar="[NAME]…")
@click.option(
    "--release", metavar="NAME", help="Check against this release. Default: the configuration's."
)
@click.option(
    "--overlays",
    "folder",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Check the overlays in this folder. Default: the configuration's.",
)
@with_config
@with_json
def lint_command(
    names: tuple[str, ...],
    release: str | None,
    folder: Path | None,
    config_path: Path,
    as_json: bool,
) -> None:
    """Check overlays against a release's own templates.

    NAME is the name of an overlay. Default: all of them.
    Needs neither a container engine nor a configuration file.
    """
    configured = optional_config(config_path)
    config = configured or Config()
    folders = [folder] if folder else config.overlay_dirs
    # another release's or folder's overlays aren't held against this configuration's images
    own = config.build if configured and not (release or folder) else None
    report = check_overlays(release or config.release, folders, names or None, build=own)
    show(report, as_json=as_json)
    if not report.ok:
        raise ConfigError("the overlays have errors", hint="they are listed above")


@click.group("overlays", cls=CommandGroup)
def group() -> None:
    """List overlays, show what they change, and write them for Kolla's own tools."""


@group.command("list", short_help="List every overlay with its purpose and scope.")
@with_config
@with_json
def list_command(config_path: Path, as_json: bool) -> None:
    """List every overlay with its purpose and scope."""
    config = optional_config(config_path) or Config()
    folders = config.overlay_dirs
    show(list_overlays(folders, config.build.overlays), as_json=as_json)


@group.command("export", short_help="Write overlays as files for kolla-build and kayobe.")
@click.argument("folder", type=click.Path(path_type=Path))
@with_config
@with_json
def export_command(folder: Path, config_path: Path, as_json: bool) -> None:
    """Write the configuration's overlays as files for kolla-build and kayobe.

    FOLDER is made, with a folder for each architecture in it.
    """
    show(export(read_config(config_path), folder), as_json=as_json)


@group.command("diff", short_help="Show how overlays change an image's Dockerfile.")
@click.argument("image")
@with_architecture("Render for this architecture.")
@with_config
@with_json
def diff_command(image: str, architecture: str, config_path: Path, as_json: bool) -> None:
    """Show how the overlays change the Dockerfile of IMAGE, as a unified diff.

    IMAGE is the name of a container image.
    """
    config = read_config(config_path)
    text = dockerfile_diff(config, image, architecture=Architecture(architecture))
    if as_json:
        print_json({"image": image, "architecture": architecture, "diff": text})
    else:
        print_text(text or f"the overlays change nothing in {image}")
