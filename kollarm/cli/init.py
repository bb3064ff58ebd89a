"""``kollarm init``: a commented configuration file to start from."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Any

import click

from builder.kolla import releases
from core import files
from core.config.load import load, parse
from core.config.model import Architecture, Distro
from core.config.schema import json_schema
from core.errors import ConfigError
from guestprep.source import catalogue
from kollarm.cli.common import config_words, print_text, with_config
from kollarm.new_config import SCHEMA, Choices, text

#: What the answers are if nobody is asked.
RELEASE, GUEST = "2026.1", "debian-13-generic"

#: The answers for no guest image, and for the services that kollarm runs itself.
NONE, OURS = "none", "embedded"


@click.command("init")
@click.option("--release", metavar="NAME", help=f"Use this OpenStack release. Default: {RELEASE}.")
@click.option(
    "--distro",
    type=click.Choice([each.value for each in Distro]),
    help="Base the container images on this distribution. Default: debian.",
)
@click.option(
    "--arch",
    "architectures",
    multiple=True,
    type=click.Choice([each.value for each in Architecture]),
    help="Build for this architecture. Repeatable. Default: both.",
)
@click.option(
    "--registry",
    metavar="ADDRESS",
    help="Push container images there. Default: a registry on loopback.",
)
@click.option(
    "--guest",
    "guests",
    multiple=True,
    metavar="NAME",
    help=f"Prepare this image of the catalogue. Repeatable. Default: {GUEST}.",
)
@click.option(
    "--cloud",
    metavar="NAME",
    help="Publish guest images to this cloud of clouds.yaml. Default: a Glance on loopback.",
)
@click.option("--force", is_flag=True, help="Replace a file that exists.")
@with_config
def init_command(force: bool, config_path: Path, **options: Any) -> None:
    """Write a commented configuration file that works as it is.

    On a terminal, what no option names is asked for.
    """
    if config_path.exists() and not force:
        raise ConfigError(f"{config_path} exists", hint="name another with --config, or --force")
    choices = _choices(**options)
    content = text(choices)
    parse(content, config_path)  # a wrong release or address is refused before anything is written
    files.write(config_path.parent / SCHEMA, json.dumps(json_schema(), indent=2) + "\n")
    files.write(config_path, content)
    load(config_path)
    words = "".join(f" {word}" for word in map(shlex.quote, config_words(config_path)))
    print_text(f"wrote {config_path}; next: kollarm doctor{words}, kollarm images{words}")


def _choices(
    *,
    release: str | None,
    distro: str | None,
    architectures: tuple[str, ...],
    registry: str | None,
    guests: tuple[str, ...],
    cloud: str | None,
) -> Choices:
    """The options, and answers for those that are missing."""
    release = releases.find(release or _ask("OpenStack release", RELEASE)).name
    names = guests or _ask(f"Guest images of the catalogue, or {NONE}", GUEST).split()
    for name in (chosen := [name for name in names if name != NONE]):
        catalogue.find(name)
    registry = registry or _ask(f"Address of the registry, or {OURS}", OURS)
    cloud = cloud or _ask(f"Cloud of clouds.yaml, or {OURS}", OURS)
    return Choices(
        release=release,
        distro=Distro(distro or "debian"),
        architectures=[Architecture(each) for each in architectures or Architecture],
        registry=None if registry == OURS else registry,
        guests=chosen,
        cloud=None if cloud == OURS else cloud,
    )


def _ask(question: str, default: str) -> str:
    """The answer to a question; the default where there is nobody to ask."""
    if not sys.stdin.isatty():
        return default
    answer: str = click.prompt(question, default=default, err=True)
    return answer
