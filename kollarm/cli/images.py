"""``kollarm images``: a full run, which ``make images`` starts."""

from __future__ import annotations

import json
from pathlib import Path

import click

from core import files, progress
from kollarm import report, run_images
from kollarm.cli.common import (
    alone,
    print_json,
    print_text,
    read_config,
    show,
    with_config,
    with_dry_run,
    with_json,
    with_tag,
)


@click.command("images")
@click.option(
    "--only",
    "parts",
    multiple=True,
    type=click.Choice([part.value for part in run_images.RunPart]),
    help="Do only this part. Repeatable. Default: all of them.",
)
@with_tag
@with_config
@with_dry_run
@with_json
def images(
    parts: tuple[str, ...], tag: str | None, config_path: Path, dry_run: bool, as_json: bool
) -> None:
    """Build container images; prepare, prove and publish guest images.

    Results of earlier runs that were made from the same inputs are kept. The parts are: build
    container images, prepare and boot guests, and publish guests in Glance.
    """
    config = read_config(config_path, tag)
    chosen = [run_images.RunPart(part) for part in parts] or run_images.EVERYTHING
    if dry_run:
        show(run_images.plan(config, chosen), as_json=as_json)
        return
    record_file = config.state_dir / "last-run.json"
    partial = run_images.PartialRun(config, chosen)
    with alone(config):
        try:
            record = run_images.run(config, partial)
        except BaseException as error:
            page = report.write_failed(config, partial.record(), error)
            if page is not None:
                progress.current().say(f"the report: {page}")
            raise
        files.write(record_file, json.dumps(record.to_dict(), indent=2, default=str) + "\n")
        page = report.write(config, record)
    if as_json:
        print_json(record.to_dict() | {"report": str(page)})
    else:
        print_text(f"{record.to_text()}; the whole record: {record_file}\nthe report: {page}")
