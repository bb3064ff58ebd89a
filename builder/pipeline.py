"""From the configuration to images in the registry.

configuration → facts (rendered templates, registry, engines) → plan → execution → record
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from builder import base_image, existing
from builder.built_images import BuiltImages
from builder.constraints import check
from builder.context import dockerfile
from builder.engines.configured import check_buildkit, connect
from builder.engines.protocol import ImageBuilder
from builder.execute import BuildExecution, BuildResources
from builder.facts import ExistingImages, RenderedTree
from builder.freshness import Freshness
from builder.kolla import profiles, sources
from builder.overlays.model import Overlay, choose
from builder.plan import BuildAction, BuildPlan, IndexStep, make_plan, select
from builder.reasons import BuildReason
from builder.record import BuildRecord
from builder.rendering import render_all
from builder.request import BuildRequest
from builder.targets import Target, targets_of
from core import progress
from core.config.model import Architecture, Config, NativeTools
from core.errors import ConfigError, Fault, KollarmError
from core.oci.client import client_for
from core.oci.model import ImageIndex, RegistryImage
from core.oci.registry import RegistryClient
from core.suggest import did_you_mean

if TYPE_CHECKING:
    from builder.attest import Attestor, SigningKey

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
    indices: Mapping[str, ImageIndex]
    bases: tuple[base_image.BaseSource, ...]
    built: BuiltImages
    signing: SigningKey | None


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
    for warning in prepared.plan.warnings:
        progress.current().warn(warning)
    if request.config.registry.attest and not prepared.plan.idle:
        return _execute(request, _with_readers(request, prepared), on_interrupt)
    return _execute(request, prepared, on_interrupt)


def write_constraints(
    request: BuildRequest, folder: Path, *, before: str | None, limits: Sequence[str]
) -> check.WrittenConstraints:
    """Write a list of versions of all Python packages that the images need.

    :raises KollarmError: see :func:`builder.constraints.check.write`.
    """
    trees, selected, _ = selected_images(request)
    return check.write(request.config, trees, selected, folder, before=before, limits=limits)


def attest(request: BuildRequest) -> BuildRecord:
    """Write the attestations of indices in the registry that are missing or invalid.

    :raises KollarmError: as :func:`build`; or images have to be built first.
    """
    from core.attestation import verification  # noqa: PLC0415 - brings cryptography along

    prepared = prepare(request)
    if not prepared.plan.idle:
        raise KollarmError(
            "only an index that is up to date can be attested",
            hint="run kollarm build first; kollarm build --dry-run says what it would do",
        )
    signing = prepared.signing

    def needed(step: IndexStep) -> bool:
        findings = verification.verify(
            prepared.client,
            step.repository,
            step.tag,
            signing.key.public if signing else None,
            signing.newest if signing else None,
        )
        return not all(finding.good for finding in findings)

    indices = [
        replace(step, action=BuildAction.ATTEST, reason=BuildReason.NOT_ATTESTED)
        if needed(step)
        else step
        for step in prepared.plan.indices
    ]
    prepared = replace(prepared, plan=replace(prepared.plan, indices=tuple(indices)))
    return _execute(request, _with_readers(request, prepared), lambda record: None)


def _execute(
    request: BuildRequest, prepared: PreparedBuild, on_interrupt: Callable[[BuildRecord], None]
) -> BuildRecord:
    config = request.config
    attesting = config.registry.attest and not prepared.plan.idle
    resources = BuildResources(
        client=prepared.client,
        builders=prepared.builders,
        logs=config.state_dir / "logs" / "images",
        build_args=proxies(os.environ),
        retries=config.build.retries,
        jobs=config.build.jobs or max(2, os.cpu_count() or 1),
        attestor=_attestor(request, prepared) if attesting else None,
        built=prepared.built,
        on_interrupt=on_interrupt,
        native_tools=(
            config.build.distro if config.build.native_tools is NativeTools.AUTO else None
        ),
    )
    return BuildExecution(prepared.plan, resources, prepared.remote).run()


def _with_readers(request: BuildRequest, prepared: PreparedBuild) -> PreparedBuild:
    """Also connected to the engines that have to read images without a bill of materials.

    A run may have ended between an image's push and its index: then the image is kept by the
    next one, for which its engine would have nothing to do.
    """
    attestor = _attestor(request, prepared)
    images = {(one.target.name, one.target.architecture): one for one in prepared.plan.images}
    lacking: set[Architecture] = set()
    for step in prepared.plan.indices:
        if step.action not in (BuildAction.WRITE, BuildAction.ATTEST):
            continue
        for member in set(step.members) - set(prepared.builders) - lacking:
            kept = images[step.name, member].action is BuildAction.KEEP
            if kept and attestor.lacks_bill(
                step, prepared.remote[step.name, member], prepared.indices.get(step.name)
            ):
                lacking.add(member)
    found = dict(prepared.builders)
    for architecture in sorted(lacking):
        try:
            found |= connect(request.config, {architecture}, prepared.client)
        except KollarmError as error:
            # the index is right without it, and says that it lacks the bill
            progress.current().say(f"no bill of materials for {architecture}: {error.message}")
    return replace(prepared, builders=found)


def prepare(request: BuildRequest) -> PreparedBuild:
    """Gather the facts and make the plan."""
    config = request.config
    overlays = choose(config.build.overlays, config.overlay_dirs)
    client = client_for(config)
    trees, selected, left_out = selected_images(request, overlays)
    check_buildkit(config, trees)
    bases = {
        architecture: base_image.of(tree, config.build.base) for architecture, tree in trees.items()
    }
    namespace = f"{config.registry.address}/{config.build.namespace}"
    targets = [
        target
        for architecture, names in selected.items()
        for target in targets_of(
            trees[architecture],
            bases[architecture],
            names,
            namespace=namespace,
            tag=request.tag,
            build_args=config.build.args,
        )
    ]
    check_args(config.build.args, targets)
    remote, indices = existing.registry(client, targets, request.tag)
    built = BuiltImages(config.state_dir)
    signing = _signing(config, built)
    unknown: frozenset[str] = frozenset()
    if signing is not None:
        unknown = existing.unknown(client, signing, targets, remote, indices)
    missing = [
        target
        for target in targets
        if request.force
        or request.refresh is not None
        or (image := remote.get((target.name, target.architecture))) is None
        or image.key != target.key
        or image.digest in unknown
    ]
    # an engine is asked only when there is something for it to do
    builders = connect(
        config,
        {target.architecture for target in missing},
        client,
        buildkit=all(tree.suits_buildkit for tree in trees.values()),
    )
    build_plan = make_plan(
        targets,
        ExistingImages(
            remote,
            existing.engines(builders, missing, built if signing is not None else None),
            indices,
            unknown,
        ),
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
    to_build = {
        one: [
            step.target.name
            for step in build_plan.images
            if step.target.architecture is one and step.action is BuildAction.BUILD
        ]
        for one in trees
    }
    return PreparedBuild(
        plan=replace(build_plan, warnings=tuple(check.warnings(config, trees, to_build))),
        overlays=tuple(overlays),
        client=client,
        builders=builders,
        remote=remote,
        indices=indices,
        bases=tuple(bases.values()),
        built=built,
        signing=signing,
    )


def selected_images(
    request: BuildRequest, overlays: Sequence[Overlay] | None = None
) -> tuple[dict[Architecture, RenderedTree], dict[Architecture, list[str]], list[str]]:
    """The rendered templates, the images of each architecture, and which are left out.

    :param overlays: those of the configuration, where they have been read already.
    :raises KollarmError: see :func:`build`.
    """
    config = request.config
    if overlays is None:
        overlays = choose(config.build.overlays, config.overlay_dirs)
    architectures = request.chosen_architectures()
    trees = sources.chosen(render_all(config, overlays, architectures), config.build.sources)
    if request.images:
        wanted = {architecture: list(request.images) for architecture in architectures}
    else:
        wanted = profiles.wanted(config, architectures)
    return (trees, *select(trees, wanted))


def _signing(config: Config, built: BuiltImages) -> SigningKey | None:
    """The key that indices are signed with; None for none.

    :raises ConfigError: it can't be used.
    """
    if config.signing_key is None or not config.registry.attest:
        return None
    # cryptography takes longer to import than a registry of images to look at
    from builder.attest import SigningKey  # noqa: PLC0415
    from core.attestation.newest import NewestIndices  # noqa: PLC0415
    from core.attestation.signing import read_key  # noqa: PLC0415

    return SigningKey(read_key(config.signing_key), built, NewestIndices(config.state_dir))


def _attestor(request: BuildRequest, prepared: PreparedBuild) -> Attestor:
    """The attestor of a build's indices."""
    from builder.attest import Attestor  # noqa: PLC0415 - as above

    config = request.config
    return Attestor(
        plan=prepared.plan,
        client=prepared.client,
        overlays={overlay.name: overlay.folder for overlay in prepared.overlays},
        bases=prepared.bases,
        engines=prepared.builders,
        request={"release": config.release, "distro": config.build.distro.value},
        signing=prepared.signing,
    )


def check_args(args: Mapping[str, str], targets: Sequence[Target]) -> None:
    """See that each of ``build.args`` has an effect.

    :raises ConfigError: no image's Dockerfile has such an ``ARG``.
    """
    declared = {name for target in targets for name in dockerfile.arguments(target.dockerfile)}
    if faults := [
        Fault(
            f"build.args.{name}",
            "no image to be built has such an ARG",
            did_you_mean(name, declared),
        )
        for name in args
        if name not in declared
    ]:
        raise ConfigError("build arguments have no effect", faults)


def proxies(environ: Mapping[str, str]) -> dict[str, str]:
    """The proxy variables to hand to builds, in the spellings that are set."""
    names = (*PROXIES, *(name.lower() for name in PROXIES))
    return {name: environ[name] for name in names if environ.get(name)}
