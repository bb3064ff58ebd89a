"""From the configuration to images in the registry.

configuration → facts (rendered templates, registry, engines) → plan → execution → record
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from builder import base_image, existing
from builder.engines.configured import check_buildkit, connect
from builder.engines.protocol import ImageBuilder
from builder.execute import BuildExecution, BuildResources
from builder.facts import ExistingImages
from builder.freshness import Freshness
from builder.kolla import profiles, sources
from builder.overlays.model import Overlay, choose
from builder.plan import BuildPlan, make_plan, select
from builder.record import BuildRecord
from builder.rendering import render_all
from builder.request import BuildRequest
from builder.targets import targets_of
from core.config.model import Architecture
from core.oci.client import client_for
from core.oci.model import RegistryImage
from core.oci.registry import RegistryClient

if TYPE_CHECKING:
    from builder.attest import Attestor

#: Build arguments that Docker knows by itself; they are not part of an image's key.
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY")


@dataclass(frozen=True)
class PreparedBuild:
    """A plan, with everything needed to carry it out."""

    plan: BuildPlan
    overlays: tuple[Overlay, ...]
    client: RegistryClient
    builders: Mapping[Architecture, ImageBuilder]
    remote: Mapping[tuple[str, Architecture], RegistryImage]
    bases: tuple[base_image.BaseSource, ...]


def plan(request: BuildRequest) -> BuildPlan:
    """The plan that :func:`build` would carry out.

    :raises KollarmError: see :func:`build`.
    """
    return prepare(request).plan


def build(
    request: BuildRequest, *, on_interrupt: Callable[[BuildRecord], None] = lambda record: None
) -> BuildRecord:
    """Build, push and join the images that aren't in the registry yet.

    :param on_interrupt: called with the record of a run that is interrupted.
    :raises ConfigError: the configuration or an overlay is wrong.
    :raises KollarmError: the registry or an engine can't be reached, or the
        templates don't render.  An image that fails is in the record instead.
    """
    prepared = prepare(request)
    attesting = request.config.registry.attest and not prepared.plan.idle
    resources = BuildResources(
        client=prepared.client,
        builders=prepared.builders,
        logs=request.config.state_dir / "logs" / "images",
        build_args=proxies(os.environ),
        jobs=max(2, os.cpu_count() or 1),
        attestor=_attestor(request, prepared) if attesting else None,
        on_interrupt=on_interrupt,
    )
    return BuildExecution(prepared.plan, resources, prepared.remote).run()


def prepare(request: BuildRequest) -> PreparedBuild:
    """Gather the facts and make the plan."""
    config = request.config
    architectures = request.chosen_architectures()
    overlays = choose(config.build.overlays, config.overlay_dirs)
    client = client_for(config)
    trees = sources.chosen(render_all(config, overlays, architectures), config.build.sources)
    check_buildkit(config, trees)
    if request.images:
        wanted = {architecture: list(request.images) for architecture in architectures}
    else:
        wanted = profiles.wanted(config, architectures)
    selected, left_out = select(trees, wanted)
    bases = {
        architecture: base_image.of(tree, config.build.base) for architecture, tree in trees.items()
    }
    namespace = f"{config.registry.address}/{config.build.namespace}"
    targets = [
        target
        for architecture, names in selected.items()
        for target in targets_of(
            trees[architecture], bases[architecture], names, namespace=namespace, tag=request.tag
        )
    ]
    remote, indices = existing.registry(client, targets, request.tag)
    missing = [
        target
        for target in targets
        if request.force
        or request.refresh is not None
        or (image := remote.get((target.name, target.architecture))) is None
        or image.key != target.key
    ]
    # an engine is asked only when there is something for it to do
    builders = connect(config, {target.architecture for target in missing}, client)
    build_plan = make_plan(
        targets,
        ExistingImages(remote, existing.engines(builders, missing), indices),
        release=config.release,
        kolla_version=next(iter(trees.values())).kolla_version,
        registry=config.registry.address,
        tag=request.tag,
        bases=list(bases.values()),
        overlays=[overlay.name for overlay in overlays],
        left_out=left_out,
        force=request.force,
        fresh=Freshness.within(request.refresh) if request.refresh is not None else None,
        keep=request.kept_members(),
    )
    return PreparedBuild(
        build_plan, tuple(overlays), client, builders, remote, tuple(bases.values())
    )


def _attestor(request: BuildRequest, prepared: PreparedBuild) -> Attestor:
    """The attestor of a build's indices.

    :raises ConfigError: the signing key can't be used.
    """
    # cryptography takes longer to import than a registry of images to look at
    from builder.attest import Attestor  # noqa: PLC0415
    from core.attestation import signing  # noqa: PLC0415

    config = request.config
    return Attestor(
        prepared.plan,
        prepared.client,
        {overlay.name: overlay.folder for overlay in prepared.overlays},
        prepared.bases,
        prepared.builders,
        {"release": config.release, "distro": config.build.distro.value},
        signing.read_key(config.signing_key) if config.signing_key else None,
    )


def proxies(environ: Mapping[str, str]) -> dict[str, str]:
    """The proxy variables to hand to builds, in the spellings that are set."""
    names = (*PROXIES, *(name.lower() for name in PROXIES))
    return {name: environ[name] for name in names if environ.get(name)}
