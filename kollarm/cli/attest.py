"""``kollarm attest``: check and show the attestations of images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from builder import pipeline
from builder.plan import IndexStep
from builder.request import BuildRequest
from core.attestation import comparison, verification
from core.attestation.comparison import TagComparison
from core.attestation.finding import AttestationFinding, AttestationReport
from core.attestation.newest import NewestIndices
from core.attestation.signing import PublicKey, read_key, read_public_key
from core.config.model import Architecture, Config
from core.errors import ConfigError, KollarmError
from core.json_object import json_object
from core.oci.client import client_for
from core.oci.registry import RegistryClient
from guestprep.attestation import signatures
from kollarm.cli.common import (
    alone,
    print_json,
    read_config,
    show,
    with_architecture,
    with_config,
    with_json,
    with_tag,
)
from kollarm.cli.groups import CommandGroup
from kollarm.cli.image_names import repositories
from kollarm.guests import selection
from kollarm.services.registry import start_registry

with_key = click.option(
    "--key",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Require signatures by this public key (PEM). Default: that of signing_key.",
)


@click.group("attest", cls=CommandGroup)
def group() -> None:
    """Check and show provenance, bills of materials and signatures of images."""


@group.command("verify", short_help="Check attestations and signatures.")
@click.argument("names", nargs=-1, metavar="[IMAGE|GUEST]…")
@with_tag
@with_key
@with_config
@with_json
def verify_command(
    names: tuple[str, ...], tag: str | None, key: Path | None, config_path: Path, as_json: bool
) -> None:
    """Check that images have provenance and bills of materials, and who signed them.

    IMAGE is the name of a container image; its parents are checked too. GUEST is the name
    of a guest, whose prepared image is checked. Default: everything in the configuration.
    """
    config = read_config(config_path, tag)
    public = _public_key(config, key)
    guests = [guest for guest in config.guests if not names or guest.name in names]
    images = tuple(name for name in names if name not in {guest.name for guest in guests})
    findings: list[AttestationFinding] = []
    if images or not names:
        client, newest = _client(config), NewestIndices(config.state_dir)
        for index in _indices(config, images):
            findings += verification.verify(client, index.repository, index.tag, public, newest)
    for guest in guests:
        findings += signatures.verify(selection.output(config, guest), public)
    report = AttestationReport(tuple(findings))
    show(report, as_json=as_json)
    if report.bad:
        count = len(findings)
        raise KollarmError(f"{report.bad} of {count} attestations are missing or invalid")


@group.command("write", short_help="Write attestations that are missing.")
@click.argument("images", nargs=-1, metavar="[IMAGE]…")
@with_tag
@with_config
@with_json
def write_command(
    images: tuple[str, ...], tag: str | None, config_path: Path, as_json: bool
) -> None:
    """Write the attestations of container images that are missing or invalid.

    IMAGE is the name of a Kolla image (default: the configuration's list). Its parents are
    looked at too. Nothing is built: the images have to be up to date.
    """
    config = read_config(config_path, tag)
    if not config.registry.attest:
        raise ConfigError("registry.attest is false", hint="remove it from the configuration")
    with alone(config):
        start_registry(config)
        record = pipeline.attest(BuildRequest(config, images=images))
    show(record, as_json=as_json)
    record.raise_for_failures()
    if any(index.warnings for index in record.indices):
        raise KollarmError("some attestations are still missing")


@group.command("show", short_help="Print an image's attestations as JSON.")
@click.argument("image")
@with_tag
@with_config
def show_command(image: str, tag: str | None, config_path: Path) -> None:
    """Print the attestations of an image as JSON.

    IMAGE is the name of a container image.
    """
    config = read_config(config_path, tag)
    client = _client(config)
    documents = [
        document
        for index in _indices(config, (image,))
        if index.name == image
        for document in verification.statements(client, index.repository, index.tag)
    ]
    print_json(documents)


@group.command("bill", short_help="Print an image's bill of materials.")
@click.argument("image")
@with_architecture("Of the image for this architecture.")
@with_tag
@with_key
@with_config
def bill_command(
    image: str, architecture: str, tag: str | None, key: Path | None, config_path: Path
) -> None:
    """Print the bill of materials of an image, for scanners: an SPDX document as JSON.

    IMAGE is the name of a container image. That of a guest lies beside its image, in
    GUEST.qcow2.spdx.json.
    """
    config = read_config(config_path, tag)
    public, client = _public_key(config, key), _client(config)
    [repository] = repositories(config, (image,))
    document = verification.bill_under(
        client,
        repository,
        BuildRequest(config).tag,
        Architecture(architecture).oci,
        public,
    )
    print_json(json_object(document.content, "the bill of materials"))


@group.command("diff", short_help="Compare the contents of images under two tags.")
@click.argument("old", metavar="OLD-TAG")
@click.argument("new", metavar="NEW-TAG")
@click.argument("images", nargs=-1, metavar="[IMAGE]…")
@with_key
@with_config
@with_json
def diff_command(
    old: str,
    new: str,
    images: tuple[str, ...],
    key: Path | None,
    config_path: Path,
    as_json: bool,
) -> None:
    """List the packages that were added, removed or changed between two tags.

    The packages are those of the bills of materials, for each architecture. IMAGE is the name
    of a container image; default: all images in the configuration, and their parents.
    """
    config = read_config(config_path)
    public, client = _public_key(config, key), _client(config)
    found = [
        image
        for repository in repositories(config, images)
        for image in comparison.compare(client, repository, old, new, public)
    ]
    result = TagComparison(old, new, tuple(found))
    show(result, as_json=as_json)
    if result.faults:
        raise KollarmError(f"{result.faults} of {len(found)} images could not be compared")


def _indices(config: Config, images: tuple[str, ...]) -> Sequence[IndexStep]:
    """The indices of the configuration, or of the images that were named."""
    return pipeline.plan(BuildRequest(config, images=images)).indices


def _client(config: Config) -> RegistryClient:
    start_registry(config)
    return client_for(config)


def _public_key(config: Config, named: Path | None) -> PublicKey | None:
    if named is not None:
        return read_public_key(named)
    return read_key(config.signing_key).public if config.signing_key is not None else None
