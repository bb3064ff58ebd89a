"""What commands share: options, reading the configuration, printing results."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource
from pydantic import TypeAdapter, ValidationError

from core import lock, trust
from core.config.load import DEFAULT_NAME, load
from core.config.model import Architecture, Config, Tag
from core.results import Result
from core.standard_streams import write_output
from core.text_output import printable
from kollarm.cli.verbosity import Invocation, note_flag

Command = Callable[..., Any]

image_file = click.Path(path_type=Path)

with_config = click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path(DEFAULT_NAME),
    show_default=True,
    envvar="KOLLARM_CONFIG",
    help="Read this configuration file.",
)

with_json = click.option(
    "--json",
    "as_json",
    is_flag=True,
    callback=note_flag,  # an error becomes part of the document
    help="Print one JSON document on standard output.",
)

with_dry_run = click.option(
    "--dry-run", is_flag=True, help="Print what would be done and why; change nothing."
)

with_cloud = click.option(
    "--cloud",
    metavar="NAME",
    help="Use this cloud of clouds.yaml. Default: the configuration's, or $OS_CLOUD.",
)


def _tag(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """A tag as the configuration takes it."""
    try:
        return TypeAdapter(Tag | None).validate_python(value)
    except ValidationError:
        raise click.BadParameter(f"{value!r} cannot be a tag") from None


with_tag = click.option(
    "--tag",
    metavar="TAG",
    callback=_tag,
    help="Use this tag for indices. Default: build.tag of the configuration, or the release.",
)


def with_architecture(description: str, name: str = "--arch") -> Callable[[Command], Command]:
    """The option for one architecture; without it, ARM's."""
    return click.option(
        name,
        "architecture",
        type=click.Choice([architecture.value for architecture in Architecture]),
        default=Architecture.AARCH64.value,
        show_default=True,
        help=description,
    )


def together(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Several options as one decorator."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


with_screenshot = together(
    click.option(
        "--screenshot",
        type=image_file,
        metavar="FILE",
        help="Write the last screen to this PNG file. Default: named like the image.",
    ),
    click.option(
        "--timeout",
        type=click.IntRange(min=1),
        default=900,
        show_default=True,
        metavar="SECONDS",
        help="Give up after this time.",
    ),
)


def read_config(path: Path, tag: str | None = None) -> Config:
    """The configuration; its CA bundle is applied to this process, its registry has a port.

    :param tag: the tag of indices, in place of the configuration's.
    :raises ConfigError: with every fault found.
    """
    # Looking for ports needs packages that a help page shouldn't wait for.
    from kollarm.services.chosen_ports import with_registrys_port  # noqa: PLC0415

    config = load(path)
    if tag is not None:
        build = config.build.model_copy(update={"tag": tag})
        config = config.model_copy(update={"build": build})
    trust.apply(config.ca_bundle)
    return with_registrys_port(config)


def alone(config: Config) -> AbstractContextManager[None]:
    """Lock the state folder, so that no other run uses it."""
    return lock.held(config.state_dir, click.get_current_context().command_path)


def optional_config(path: Path) -> Config | None:
    """The configuration; None if none was named and no file has the usual name.

    :raises ConfigError: the file that was named does not exist, or is wrong.
    """
    named = click.get_current_context().get_parameter_source("config_path")
    if named is ParameterSource.DEFAULT and not path.exists():
        return None
    return read_config(path)


def config_words(path: Path) -> tuple[str, ...]:
    """The option that a suggested command needs to name the configuration file, if any."""
    return () if path == Path(DEFAULT_NAME) else ("--config", str(path))


def print_json(document: object) -> None:
    """Print the one JSON document of a command."""
    if context := click.get_current_context(silent=True):
        context.ensure_object(Invocation).document = True
    write_output(json.dumps(document, indent=2, default=str) + "\n")


def print_text(text: str) -> None:
    """Print a result for a person."""
    write_output(printable(text if text.endswith("\n") else text + "\n"))


def show(result: Result, *, as_json: bool) -> None:
    """Print a command's result, as ``--json`` asks."""
    if as_json:
        print_json(result.to_dict())
    else:
        print_text(result.to_text())


def show_all(results: Sequence[Result], *, as_json: bool) -> None:
    """Print the results of a command that was given several names."""
    if as_json:
        print_json([result.to_dict() for result in results])
    else:
        print_text("\n".join(result.to_text() for result in results))
