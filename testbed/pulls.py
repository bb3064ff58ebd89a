"""``scripts/count-pulls``: what a host of each kind pulls from the registry, counted.

A Docker engine that pulls an image by the tag of an index asks whether there is a registry, and for
the tag (HEAD), the index, the manifest of its architecture, the image's configuration, and each
layer that it doesn't have yet.
Layers are kept under their digests: one that several images share is pulled once.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from core import progress
from core.config.model import Architecture, Config
from core.errors import ConfigError, KollarmError
from core.kolla_ansible.images import images_for
from core.kolla_ansible.toolchain import release_tree
from core.oci.client import client_for
from core.oci.registry import RegistryClient
from core.tables import table
from kollarm.cli.common import read_config, show, with_config, with_json
from kollarm.cli.main import main

#: Requests for each image, beside those for its layers.
REQUESTS = 5


@dataclass(frozen=True)
class PulledImage:
    """An image of one architecture as the registry has it."""

    name: str
    documents: int
    """Bytes of its index, manifest and configuration."""
    layers: tuple[tuple[str, int], ...]
    """Each layer's digest and compressed bytes."""


@dataclass(frozen=True)
class HostPull:
    """What one host pulls."""

    architecture: Architecture
    role: str
    images: int
    layers: int
    """Different ones."""
    requests: int
    size: int
    """Bytes."""
    unshared: int
    """Bytes, if each image brought all its layers."""


@dataclass(frozen=True)
class Pulls:
    """What hosts of each architecture and role pull."""

    hosts: tuple[HostPull, ...]

    def to_dict(self) -> dict[str, object]:
        return {"hosts": [asdict(host) for host in self.hosts]}

    def to_text(self) -> str:
        rows = [
            (
                one.architecture.value,
                one.role,
                *map(str, (one.images, one.layers, one.requests)),
                progress.size(one.size),
                progress.size(one.unshared),
            )
            for one in self.hosts
        ]
        columns = ("architecture", "role", "images", "layers", "requests", "size", "unshared")
        return table("What a host pulls", columns, rows)


def counted(architecture: Architecture, role: str, images: Iterable[PulledImage]) -> HostPull:
    """The sums of a host that has nothing yet."""
    found = list(images)
    layers = {digest: size for image in found for digest, size in image.layers}
    documents = sum(image.documents for image in found)
    return HostPull(
        architecture,
        role,
        images=len(found),
        layers=len(layers),
        requests=REQUESTS * len(found) + len(layers),
        size=documents + sum(layers.values()),
        unshared=documents + sum(size for image in found for _, size in image.layers),
    )


def look_up(
    client: RegistryClient, repository: str, tag: str, architecture: Architecture
) -> PulledImage:
    """An image's manifest, by way of the index under a tag.

    :raises KollarmError: the registry hasn't got it for the architecture.
    """
    index, document = client.index(repository, tag), client.manifest(repository, tag)
    entries = (
        [one for one in index.entries if one.architecture == architecture.oci] if index else []
    )
    manifest = client.manifest(repository, entries[0].digest) if entries else None
    if document is None or manifest is None:
        raise KollarmError(
            f"{repository}:{tag} isn't in the registry for {architecture}",
            hint="build it first: kollarm build",
        )
    content = json.loads(manifest.content)
    return PulledImage(
        repository,
        len(document.content) + len(manifest.content) + int(content["config"]["size"]),
        tuple((one["digest"], int(one["size"])) for one in content["layers"]),
    )


def pulls(config: Config) -> Pulls:
    """What hosts with each profile alone, and with all of an architecture's, pull.

    :raises ConfigError: the configuration has no profiles.
    :raises KollarmError: an image isn't in the registry.
    """
    build = config.build
    if not build.profiles:
        raise ConfigError("without build.profiles it isn't known what a host pulls")
    variables: dict[str, object] = {"kolla_base_distro": build.distro.value}
    variables |= (dict(config.deploy.globals) if config.deploy else {}) | dict(build.services)
    client, tree = client_for(config), release_tree(config.release)
    hosts = []
    for architecture, profiles in build.profiles.items():
        roles = [[one.value] for one in profiles]
        roles += [[one.value for one in profiles]] if len(profiles) > 1 else []
        for role in roles:
            names = images_for(tree, role, variables, architecture)
            tag = build.tag or config.release
            found = [
                look_up(client, f"{build.namespace}/{name}", tag, architecture) for name in names
            ]
            hosts.append(counted(architecture, ", ".join(role), found))
    return Pulls(tuple(hosts))


@click.command()
@with_config
@with_json
def command(config_path: Path, as_json: bool) -> None:
    """Count what a host of each kind pulls from the configuration's registry."""
    show(pulls(read_config(config_path)), as_json=as_json)


if __name__ == "__main__":
    sys.exit(main(command=command, name="scripts/count-pulls"))
