"""The text of a new ``kollarm.yml``, with a comment at each choice."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from core.config.model import Architecture, Distro

#: Where ``kollarm init`` puts the schema, from the folder of the configuration.
SCHEMA = ".kollarm/kollarm.schema.json"


@dataclass(frozen=True)
class Choices:
    """What a new configuration is made for."""

    release: str
    distro: Distro
    architectures: Sequence[Architecture]
    registry: str | None
    """Its address; None for the registry that kollarm runs itself."""
    guests: Sequence[str]
    """Names of the catalogue of guest images."""
    cloud: str | None
    """Its name in clouds.yaml; None for the Glance that kollarm runs itself."""


def text(choices: Choices) -> str:
    """The configuration, as YAML."""
    return "\n".join(
        [
            f"# yaml-language-server: $schema={SCHEMA}",
            "# The keys are described in docs/ and by: kollarm config schema",
            "",
            "# The OpenStack release, in quotes.",
            f"release: {json.dumps(choices.release)}",
            "",
            *_registry(choices.registry),
            "",
            *_build(choices),
            "",
            *_guests(choices.guests),
            "",
            *_cloud(choices.cloud),
            "",
        ]
    )


def _registry(address: str | None) -> list[str]:
    if address is None:
        return [
            "# Where container images are pushed to: a registry that kollarm runs on loopback.",
            "# Your own: its address instead, and docker login.",
            "registry:",
            "  embedded: true",
        ]
    return [
        "# Where container images are pushed to; credentials are those of docker login.",
        "registry:",
        f"  address: {json.dumps(address)}",
    ]


def _build(choices: Choices) -> list[str]:
    lines = [
        "build:",
        "  # The distribution in the container images.",
        f"  distro: {choices.distro.value}",
        "  # Names of Kolla's images, or regular expressions. Instead of a list, profiles name the",
        "  # roles of your hosts: profiles: {aarch64: [compute]}",
        "  images: [base, cron, memcached]",
        "  # What is changed in Kolla's templates; kollarm overlays list shows them all.",
        "  overlays: [ca-certificates]",
        "  # Who builds each architecture: this machine's engine (foreign ones are emulated),",
        "  # or ssh://USER@HOST, a machine of that architecture.",
        "  engines:",
    ]
    return lines + [f"    {each.value}: {{url: local}}" for each in choices.architectures]


def _guests(names: Sequence[str]) -> list[str]:
    lines = [
        "# Guest images: fetched, checked, prepared for a VNC console, booted to prove it, and",
        "# published. docs/guests.md has the catalogue and the keys.",
    ]
    if not names:
        return [*lines, "guests: []"]
    lines.append("guests:")
    for name in names:
        lines += [
            f"  - name: {json.dumps(f'{name}-arm64')}",
            f"    source: {{image: {json.dumps(name)}}}",
        ]
    return lines


def _cloud(name: str | None) -> list[str]:
    if name is None:
        return [
            "# Where guest images are published: a Glance that kollarm runs on loopback.",
            "# Your own cloud: its name in clouds.yaml instead.",
            "cloud:",
            "  embedded: true",
        ]
    return [
        "# Where guest images are published: a cloud of clouds.yaml.",
        "cloud:",
        f"  name: {json.dumps(name)}",
    ]
