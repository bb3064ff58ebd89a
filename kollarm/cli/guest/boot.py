"""``kollarm guest boot``: start an image on this machine as Nova would."""

from __future__ import annotations

from pathlib import Path

import click

from core.errors import KollarmError, UnusableInput
from guestprep import record
from guestprep.boot import boot
from guestprep.target import ARCHITECTURE
from kollarm.cli.common import (
    image_file,
    optional_config,
    print_json,
    print_text,
    with_config,
    with_json,
    with_screenshot,
)

#: What to do about an image whose console does not work.
REMEDY = "kollarm guest prepare makes an image whose console works"


@click.command("boot")
@click.argument("file", type=image_file)
@with_screenshot
@with_config
@with_json
def boot_command(
    file: Path, screenshot: Path | None, timeout: int, config_path: Path, as_json: bool
) -> None:
    """Start an image as Nova would, and look at its screen until it shows a login prompt.

    FILE is a disk image; it is only read. Needs no configuration file.
    """
    optional_config(config_path)
    show_boot(file, screenshot, timeout, as_json=as_json)


def show_boot(file: Path, screenshot: Path | None, timeout: int, *, as_json: bool) -> None:
    """Boot an image and print the report.

    :raises UnusableInput: its record says that it is for another architecture than is booted.
    :raises KollarmError: the screen shows no login prompt.
    """
    prepared = record.beside(file)
    if prepared is not None and prepared.architecture not in ("", ARCHITECTURE):
        raise UnusableInput(
            f"{file} is for {prepared.architecture}, and only {ARCHITECTURE} is booted here",
            hint="publish it, and try it in the cloud: kollarm guest prove",
        )
    picture = screenshot or Path(f"{file.stem}.png")
    report = boot(file, timeout=timeout, screenshot=picture)
    if as_json:
        print_json(report.to_dict() | {"screenshot": str(picture)})
    else:
        print_text(f"{report.to_text()}\nscreenshot: {picture}")
    if not report.passed:
        raise KollarmError(f"{file}: {report.summary}", hint=report.state.remedy or REMEDY)
