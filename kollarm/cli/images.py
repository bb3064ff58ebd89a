"""``kollarm images``: the whole road, what ``make images`` runs."""

from __future__ import annotations

import json
from pathlib import Path

import click

from core import files, progress
from core.progress import duration, size
from kollarm import report, run_images
from kollarm.cli.build import print_record
from kollarm.cli.common import (
    alone,
    print_json,
    print_table,
    print_text,
    read_config,
    with_config,
    with_json,
)


@click.command("images")
@with_config
@with_json
def images(config_path: Path, as_json: bool) -> None:
    """Build container images; prepare, prove and publish guest images.

    What is there already, made from the same inputs, is left alone.
    """
    config = read_config(config_path)
    kept = config.state_dir / "last-run.json"
    folder, journey = config_path.resolve().parent, run_images.PartialRun(config)
    with alone(config):
        try:
            record = run_images.run(config, folder, journey)
        except BaseException as error:
            shown = report.write_failed(config, folder, journey.record(), error)
            if shown is not None:
                progress.current().say(f"the report: {shown}")
            raise
        files.write(kept, json.dumps(record.to_dict(), indent=2, default=str) + "\n")
        page = report.write(config, folder, record)
    if as_json:
        print_json(record.to_dict() | {"report": str(page)})
        return
    print_record(record.build)
    if record.guests:
        print_table(
            "Guest images",
            ["guest", "state", "size", "console before", "console after", "screenshot", "time"],
            [_guest_row(guest) for guest in record.guests],
        )
        print_table(
            "Glance",
            ["image", "state", "id", "visibility", "status"],
            [
                [
                    published.name,
                    published.action.done,
                    published.image_id,
                    published.visibility,
                    published.status,
                ]
                for guest in record.guests
                if (published := guest.published) is not None
            ],
        )
    print_text(f"done in {duration(record.seconds)}; the whole record: {kept}")
    print_text(f"the report: {page}")


def _guest_row(guest: run_images.GuestRecord) -> list[str]:
    boots = [proof for proof in (guest.before, guest.after) if proof is not None and not proof.kept]
    seconds = 0.0 if guest.prepared.kept else sum(guest.prepared.seconds.values())
    seconds += sum(proof.report.seconds for proof in boots)
    return [
        guest.name,
        "kept" if guest.prepared.kept else "prepared",
        size(guest.prepared.size),
        guest.before.report.state.value if guest.before else "",
        guest.after.report.state.value if guest.after else "",
        str(guest.after.screenshot) if guest.after else "",
        duration(seconds) if seconds else "",
    ]
