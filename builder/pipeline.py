"""From the configuration to images in the registry: what the commands call.

configuration → facts (rendered templates, registry, engines) → plan → execution → record
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from builder import base_image, existing
from builder.context import certificates
from builder.engines.buildx import SCHEME, BuildxEngine
from builder.engines.protocol import ImageBuilder
from builder.execute import BuildExecution, BuildResources
from builder.facts import ExistingImages, RenderedTree
from builder.freshness import Freshness
from builder.kolla import profiles, releases, sources
from builder.kolla.render import RenderRequest, render
from builder.kolla.toolchain import toolchain
from builder.overlays.combine import Composition, combine
from builder.overlays.model import Overlay, choose
from builder.plan import BuildPlan, make_plan, select
from builder.record import BuildRecord
from builder.targets import targets_of
from core import trust
from core.config.model import Architecture, Config
from core.errors import ConfigError, Fault
from core.oci.client import client_for
from core.oci.model import RegistryImage
from core.oci.registry import RegistryClient

if TYPE_CHECKING:
    from builder.attest import Attestor
    from builder.engines.docker import DockerEngine

#: Build arguments that Docker knows by itself; they are no part of an image's key.
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY")


@dataclass(frozen=True)
class BuildOptions:
    """What a run does besides building what isn't there."""

    force: bool = False
    """Build again also what is there with the same key."""
    refresh: timedelta | None = None
    """Build again what holds packages older than this."""
    keep_members: bool = False
    """In indices, keep entries of architectures that the configuration doesn't build."""


@dataclass(frozen=True)
class PreparedBuild:
    """A plan with what carrying it out needs."""

    plan: BuildPlan
    client: RegistryClient
    builders: Mapping[Architecture, ImageBuilder]
    remote: Mapping[tuple[str, Architecture], RegistryImage]
    bases: tuple[base_image.BaseSource, ...]


def plan(
    config: Config,
    *,
    project_dir: Path,
    images: Sequence[str] | None = None,
    architectures: Sequence[Architecture] | None = None,
    options: BuildOptions = BuildOptions(),
) -> BuildPlan:
    """What :func:`build` would do with the same arguments.

    :raises KollarmError: see :func:`build`.
    """
    return prepare(
        config, project_dir=project_dir, images=images, architectures=architectures, options=options
    ).plan


def build(
    config: Config,
    *,
    project_dir: Path,
    images: Sequence[str] | None = None,
    architectures: Sequence[Architecture] | None = None,
    options: BuildOptions = BuildOptions(),
    jobs: int | None = None,
    on_interrupt: Callable[[BuildRecord], None] = lambda record: None,
) -> BuildRecord:
    """Build, push and join what isn't in the registry yet.

    :param project_dir: the folder of the configuration file; its
        ``dockerfile_overlays`` are found before the shipped ones.
    :param images: names or regular expressions instead of what the configuration wants.
    :param architectures: instead of all that ``build.engines`` has.
    :param options: what to build again, and what to leave in indices.
    :param jobs: images built at the same time on one engine; by default one
        per processor, two at least.
    :param on_interrupt: gets the record of what was done before an interruption.
    :raises ConfigError: the configuration or an overlay is wrong.
    :raises KollarmError: the registry or an engine can't be reached, or the
        templates don't render.  An image that fails is in the record instead.
    """
    ready = prepare(
        config, project_dir=project_dir, images=images, architectures=architectures, options=options
    )
    attesting = config.registry.attest and not ready.plan.idle
    resources = BuildResources(
        client=ready.client,
        builders=ready.builders,
        logs=config.state_dir / "logs" / "images",
        build_args=proxies(os.environ),
        jobs=jobs or max(2, os.cpu_count() or 1),
        attestor=attestor(config, ready, project_dir) if attesting else None,
        on_interrupt=on_interrupt,
    )
    return BuildExecution(ready.plan, resources, ready.remote).run()


def attestor(config: Config, ready: PreparedBuild, project_dir: Path) -> Attestor:
    """What tells of the indices of a build.

    :raises ConfigError: the signing key can't be used.
    """
    # cryptography takes longer to import than a registry of images to look at
    from builder.attest import Attestor  # noqa: PLC0415
    from core.attestation import signing  # noqa: PLC0415

    chosen = choose(config.build.overlays, overlay_folders(config, project_dir))
    named = config.signing_key
    return Attestor(
        ready.plan,
        ready.client,
        {overlay.name: overlay.folder for overlay in chosen},
        ready.bases,
        ready.builders,
        {"release": config.release, "distro": config.build.distro.value},
        signing.read_key(named) if named else None,
    )


def prepare(
    config: Config,
    *,
    project_dir: Path,
    images: Sequence[str] | None = None,
    architectures: Sequence[Architecture] | None = None,
    options: BuildOptions = BuildOptions(),
) -> PreparedBuild:
    """Gather the facts and make the plan."""
    wanted = chosen_architectures(config, architectures)
    overlays = choose(config.build.overlays, overlay_folders(config, project_dir))
    client = client_for(config)
    trees = sources.chosen(render_all(config, overlays, wanted), config.build.sources)
    check_buildkit(config, trees)
    chosen = dict.fromkeys(wanted, images) if images else profiles.wanted(config, wanted)
    selected, left_out = select(trees, chosen)
    tag = config.build.tag or config.release
    namespace = f"{config.registry.address}/{config.build.namespace}"
    bases = {
        architecture: base_image.of(tree, config.build.base) for architecture, tree in trees.items()
    }
    targets = [
        target
        for architecture, names in selected.items()
        for target in targets_of(
            trees[architecture], bases[architecture], names, namespace=namespace, tag=tag
        )
    ]
    remote, indices = existing.registry(client, targets, tag)
    missing = [
        target
        for target in targets
        if options.force
        or options.refresh is not None
        or (found := remote.get((target.name, target.architecture))) is None
        or found.key != target.key
    ]
    # an engine is asked only when there is something for it to do
    ends = connect(config, {target.architecture for target in missing}, client)
    made = make_plan(
        targets,
        ExistingImages(remote, existing.engines(ends, missing), indices),
        release=config.release,
        kolla_version=next(iter(trees.values())).kolla_version,
        registry=config.registry.address,
        tag=tag,
        bases=list(bases.values()),
        overlays=[overlay.name for overlay in overlays],
        left_out=left_out,
        force=options.force,
        fresh=Freshness.within(options.refresh) if options.refresh is not None else None,
        keep=kept_beside(config, wanted, options),
    )
    return PreparedBuild(made, client, ends, remote, tuple(bases.values()))


def chosen_architectures(
    config: Config, asked: Sequence[Architecture] | None
) -> list[Architecture]:
    """The architectures to look after.

    :raises ConfigError: one is asked for that no engine builds.
    """
    known = config.build.engines
    if faults := [
        Fault("build.engines", f"no engine builds {one}", "add one, or leave it out")
        for one in asked or ()
        if one not in known
    ]:
        raise ConfigError("an architecture without an engine is asked for", faults)
    return [one for one in known if asked is None or one in asked]


def kept_beside(
    config: Config, wanted: Sequence[Architecture], options: BuildOptions
) -> tuple[str, ...] | None:
    """The architectures, by OCI's names, whose entries stay in indices; None for any.

    A run for one architecture leaves the entries of the configuration's others.
    """
    if options.keep_members:
        return None
    return tuple(one.oci for one in config.build.engines if one not in wanted)


def overlay_folders(config: Config, project_dir: Path) -> list[Path]:
    """Where overlays are looked for: the configured folder or the project's, then the shipped."""
    shipped = Path(__file__).resolve().parent.parent / "dockerfile_overlays"
    return [config.build.overlay_dir or project_dir / "dockerfile_overlays", shipped]


def render_all(
    config: Config, overlays: Sequence[Overlay], architectures: Sequence[Architecture]
) -> dict[Architecture, RenderedTree]:
    """The release's templates with the overlays, for each architecture."""
    chain = toolchain(releases.find(config.release), config.build.kolla)
    authorities = certificates.extra(trust.bundle(config.ca_bundle))
    requests = []
    for architecture in architectures:
        composed = combine(
            overlays,
            release=config.release,
            distro=config.build.distro,
            architecture=architecture,
            variables=config.build.overlay_variables,
            ca_certificates=authorities,
        )
        requests.append(request_for(config, composed, architecture))
    with ThreadPoolExecutor(len(requests)) as pool:
        trees = list(pool.map(lambda request: render(chain, request), requests))
    return dict(zip(architectures, trees, strict=True))


def request_for(config: Config, composed: Composition, architecture: Architecture) -> RenderRequest:
    """What is rendered with the overlays for an architecture."""
    settings = dict(composed.settings)
    options: dict[str, str | list[str]] = {
        **settings.pop("DEFAULT", {}),
        "base": config.build.distro.value,
        # before Zed images came as packages of the distribution ("binary") too
        "install_type": "source",
        "quiet": "true",
    }
    required = sorted(composed.settings.get("DEFAULT", {}))
    required += ["template_override"] if composed.override else []
    required += ["patches_path"] if composed.patches else []
    return RenderRequest(
        architecture,
        options,
        sections=settings,
        override=composed.override,
        required=required,
        files=composed.files,
        tree_patches=composed.tree_patches,
        patches=composed.patches,
    )


def connect(
    config: Config, architectures: set[Architecture], client: RegistryClient
) -> dict[Architecture, ImageBuilder]:
    """What builds these architectures: one connection for each engine, a builder's own parts.

    :raises EngineError: one can't be reached, or builds something else.
    """
    if not architectures:
        return {}
    from builder.engines.docker import DockerEngine  # noqa: PLC0415 - Docker's SDK takes its time

    ends: dict[str, DockerEngine] = {}
    found: dict[Architecture, ImageBuilder] = {}
    for architecture in sorted(architectures):
        wanted = config.build.engines[architecture]
        if wanted.url.startswith(SCHEME):
            buildx = BuildxEngine(wanted.url, client, insecure=config.registry.insecure)
            buildx.check(architecture)
            found[architecture] = buildx
        else:
            ends[wanted.url] = ends.get(wanted.url) or DockerEngine(wanted.url, tls=wanted.tls)
            found[architecture] = ends[wanted.url]
    return found


def check_buildkit(config: Config, trees: Mapping[Architecture, RenderedTree]) -> None:
    """See that the release's Dockerfiles are made for BuildKit where a buildx builder is chosen.

    :raises ConfigError: they aren't: its kolla-build has no such option.
    """
    if faults := [
        Fault(
            f"build.engines.{architecture}.url",
            f"Kolla {tree.kolla_version} doesn't build with BuildKit",
            "Kolla 23 (2026.2) and later do; name an engine for this release",
        )
        for architecture, tree in trees.items()
        if config.build.engines[architecture].url.startswith(SCHEME)
        and "buildkit" not in tree.known_options
    ]:
        raise ConfigError("a buildx builder is chosen that the release has no use for", faults)


def proxies(environ: Mapping[str, str]) -> dict[str, str]:
    """The proxy variables to hand to builds, in the spellings that are set."""
    names = (*PROXIES, *(name.lower() for name in PROXIES))
    return {name: environ[name] for name in names if environ.get(name)}
