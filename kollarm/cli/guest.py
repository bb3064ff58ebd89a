"""``kollarm guest inspect``, ``prepare`` and ``verify``."""

from __future__ import annotations

from pathlib import Path

import click

from core.config.model import Config
from core.errors import KollarmError
from guestprep import boot, pipeline, verify
from guestprep.inspect import inspect_image
from guestprep.publish import connect
from guestprep.spec import PreparationPart
from kollarm import console_proof
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
from kollarm.guests import prepare, selection

image_file = click.Path(path_type=Path)


@click.command("inspect")
@click.argument("file", type=image_file)
@with_json
def inspect_command(file: Path, as_json: bool) -> None:
    """Say what is in an image; write nothing.

    Its kernels and where their virtio_gpu is, boot loader, command lines, consoles.
    """
    facts = inspect_image(file)
    print_json(facts.to_dict()) if as_json else print_text("\n".join(facts.lines()))


@click.command("prepare")
@click.argument("names", nargs=-1, metavar="[NAME|FILE]…")
@click.option(
    "-o",
    "--output",
    type=image_file,
    help="The qcow2 to make, when one guest is prepared. Default: under the state folder.",
)
@click.option(
    "--only",
    type=click.Choice([part.value for part in PreparationPart]),
    multiple=True,
    help="Do this part of the preparation alone; can be given several times.",
)
@with_config
@with_dry_run
@with_json
def prepare_command(
    names: tuple[str, ...],
    output: Path | None,
    only: tuple[str, ...],
    config_path: Path,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Prepare guest images: the configuration's (all, or those named), or image files.

    A FILE is named by a path (with a slash, or ending in .img, .qcow2 or .raw); it needs no
    configuration.
    """
    files = [name for name in names if selection.is_path(name)]
    named = [name for name in names if name not in files]
    config = optional_config(config_path) if files and not named else read_config(config_path)
    config = config or Config()
    chosen = [selection.of_file(Path(file)) for file in files]
    if named or not files:
        chosen += selection.choose(config, named)
    if output is not None and len(chosen) != 1:
        raise click.UsageError("-o names one file, but more than one guest would be prepared")
    parts = [PreparationPart(name) for name in only]
    if dry_run:
        plans = [pipeline.plan(guest, only=parts) for guest in chosen]
        if as_json:
            print_json([plan.to_dict() for plan in plans])
        else:
            print_text("\n".join(line for plan in plans for line in plan.lines()))
        return
    with alone(config):
        records = [
            prepare.prepare(config, guest, output or selection.output(config, guest), only=parts)
            for guest in chosen
        ]
    if as_json:
        print_json([record.to_dict() for record in records])
    else:
        print_text("\n".join(line for record in records for line in record.lines()))


@click.command("verify")
@click.argument("file", type=image_file, metavar="FILE|IMAGE")
@click.option("--boot", "with_boot", is_flag=True, help="Start it as Nova would; watch its screen.")
@click.option(
    "--cloud",
    metavar="CLOUD",
    help="Start an instance of the published IMAGE in this cloud of clouds.yaml, and use its "
    "console through Nova's proxy.",
)
@click.option(
    "--flavor", metavar="NAME", help="With --cloud. Default: the smallest that the image fits into."
)
@click.option("--network", metavar="NAME", default="none", show_default=True, help="With --cloud.")
@click.option(
    "--host", metavar="NAME", help="With --cloud: start it on this compute host (administrators)."
)
@click.option("--screenshot", type=image_file, help="Keep the last screen as this PNG file.")
@click.option(
    "--timeout",
    type=click.IntRange(min=1),
    default=900,
    show_default=True,
    metavar="SECONDS",
    help="Give up a boot after this time.",
)
@with_json
def verify_command(
    file: Path,
    with_boot: bool,
    cloud: str | None,
    flavor: str | None,
    network: str,
    host: str | None,
    screenshot: Path | None,
    timeout: int,
    as_json: bool,
) -> None:
    """Check that an image's VNC console will work; with --boot or --cloud, see that it does.

    The image is only read. An instance made in a cloud is deleted again, whatever happens.
    """
    if cloud is not None:
        if with_boot:
            raise click.UsageError("--boot is for a file, --cloud for an image in a cloud")
        wish = console_proof.ProofSpec(
            image=str(file),
            flavor=flavor,
            network=None if network == "none" else network,
            host=host,
            timeout=timeout,
            screenshot=screenshot or Path(f"{file.name}.png"),
        )
        proven = console_proof.prove(connect(cloud), wish)
        print_json(proven.to_dict()) if as_json else print_text(proven.to_text())
        if proven.diagnosis:
            raise KollarmError(proven.summary, hint=proven.diagnosis.remedy)
        return
    if flavor or host or network != "none":
        raise click.UsageError("--flavor, --network and --host need --cloud")
    if with_boot:
        kept = screenshot or Path(f"{file.stem}.png")
        report = boot.boot(file, timeout=timeout, screenshot=kept)
        document: object = report.to_dict() | {"screenshot": str(kept)}
        text, passed = f"{report.to_text()}\nscreenshot: {kept}", report.passed
        failure = f"{file}: {report.summary}"
    else:
        checks = verify.verify(file)
        document, text, passed = checks.to_dict(), "\n".join(checks.lines()), checks.good
        failure = f"{file}: not every check passed"
    print_json(document) if as_json else print_text(text)
    if not passed:
        raise KollarmError(failure, hint="kollarm guest prepare makes an image whose console works")
