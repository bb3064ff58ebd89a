"""The plan of a build, worked out from facts alone: no server, no file is touched."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from builder import freshness, index
from builder.base_image import BaseSource
from builder.facts import EngineImage, ExistingImages, RenderedTree
from builder.freshness import Freshness
from builder.reasons import BuildReason
from builder.targets import Target
from core.config.model import Architecture
from core.errors import ConfigError, Fault
from core.oci.model import IndexEntry
from core.suggest import did_you_mean
from core.text_output import joined_lines


class BuildAction(StrEnum):
    """The action on an image or index."""

    KEEP = "keep"
    PUSH = "push"
    BUILD = "build"
    WRITE = "write"
    REFUSE = "refuse"
    ATTEST = "attest"


@dataclass(frozen=True)
class ImageStep:
    """What happens to one image of one architecture, and why."""

    target: Target
    action: BuildAction
    reason: BuildReason
    detail: str = ""
    """More about the reason, in words."""
    local: EngineImage | None = None
    """The image that the engine has already, for BuildAction.PUSH."""
    rebuild: bool = False
    """Built without the engine's layer cache, from the archives and sources as they are now."""


@dataclass(frozen=True)
class IndexStep:
    """What happens to the index over one image's architectures, and why."""

    name: str
    repository: str
    tag: str
    members: tuple[Architecture, ...]
    action: BuildAction
    reason: BuildReason
    detail: str = ""
    """More about the reason, in words."""
    keep: tuple[str, ...] | None = None
    """Architectures (by OCI's names) whose entries stay beside the members; None for any."""
    dropped: tuple[str, ...] = ()
    """The platforms (``linux/arm64``) whose entries go."""
    digest: str = ""
    """The index's digest, for BuildAction.KEEP."""


@dataclass(frozen=True)
class BuildPlan:
    """A whole build: images in an order in which each comes after its parent, then indices."""

    release: str
    kolla_version: str
    registry: str
    overlays: tuple[str, ...]
    images: tuple[ImageStep, ...]
    indices: tuple[IndexStep, ...]
    bases: tuple[BaseSource, ...]
    left_out: tuple[str, ...] = ()
    """A sentence for each image that the release can't build on an architecture."""
    warnings: tuple[str, ...] = ()
    """Sentences about what may go wrong."""

    @property
    def idle(self) -> bool:
        """Whether everything is as it should be already."""
        actions = {step.action for step in self.images} | {step.action for step in self.indices}
        return actions <= {BuildAction.KEEP}

    @property
    def unchecked_sources(self) -> list[str]:
        """The sources of images to be built that are fetched by URL without a checksum."""
        return sorted(
            {
                source.name
                for step in self.images
                if step.action is BuildAction.BUILD
                for source in step.target.rendered.sources
                if source.unchecked
            }
        )

    def to_dict(self) -> dict[str, object]:
        return {
            "release": self.release,
            "kolla": self.kolla_version,
            "registry": self.registry,
            "overlays": list(self.overlays),
            "images": [
                {
                    "image": step.target.name,
                    "architecture": step.target.architecture.value,
                    "reference": step.target.reference,
                    "parent": step.target.parent,
                    "key": step.target.key,
                    "action": step.action.value,
                    "reason": explained(step),
                }
                for step in self.images
            ],
            "indices": [
                {
                    "image": step.name,
                    "reference": f"{self.registry}/{step.repository}:{step.tag}",
                    "members": [member.value for member in step.members],
                    "dropped": list(step.dropped),
                    "action": step.action.value,
                    "reason": explained(step),
                }
                for step in self.indices
            ],
            "left_out": list(self.left_out),
            "warnings": list(self.warnings),
            "unchecked_sources": self.unchecked_sources,
        }

    def to_text(self) -> str:
        rows = [
            (step.action, step.target.name, step.target.architecture.value, explained(step))
            for step in self.images
        ] + [
            (step.action, f"{step.name}:{step.tag}", "index", explained(step))
            for step in self.indices
        ]
        width = max((len(row[1]) for row in rows), default=0)
        lines = [f"{row[0]:5} {row[1]:{width}} {row[2]:8} {row[3]}" for row in rows]
        lines += [f"left out: {line}" for line in self.left_out]
        lines += [f"warning: {line}" for line in self.warnings]
        if unchecked := self.unchecked_sources:
            lines.append(
                "note: fetched by URL without a checksum, so that TLS alone vouches for them: "
                f"{', '.join(unchecked)} (build.sources.NAME.sha256 sets one)"
            )
        return joined_lines(lines)


def select(
    trees: Mapping[Architecture, RenderedTree], wanted: Mapping[Architecture, Sequence[str]]
) -> tuple[dict[Architecture, list[str]], list[str]]:
    """The images to build for each architecture, each after its parent.

    :param wanted: for each architecture names, or regular expressions that match whole names.
    :returns: the images, and a sentence for each image that is left out because the release
        calls it unbuildable.
    :raises ConfigError: a name or pattern matches no image.
    """
    faults: list[Fault] = []
    left_out: list[str] = []
    chosen: dict[Architecture, list[str]] = {}
    for architecture, tree in trees.items():
        names: list[str] = []
        for pattern in wanted[architecture]:
            found = matching(tree, pattern)
            if not found:
                fault = Fault(
                    "build.images",
                    f"{pattern!r} is not an image of this release",
                    did_you_mean(pattern, tree.images),
                )
                faults += [] if fault in faults else [fault]
            for name in found:
                line = ancestry(tree, name)
                if any(tree.images[one].unbuildable for one in line):
                    left_out.append(f"{name} can't be built on {architecture} in this release")
                    continue
                names += [one for one in line if one not in names]
        chosen[architecture] = names
    if faults:
        raise ConfigError("unknown images are requested", faults)
    return chosen, left_out


def matching(tree: RenderedTree, pattern: str) -> list[str]:
    """The images that a name or regular expression means.

    :raises ConfigError: it is not a valid regular expression.
    """
    if pattern in tree.images:
        return [pattern]
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise ConfigError(
            "an image pattern is invalid", [Fault("build.images", f"{pattern!r}: {error}")]
        ) from error
    return [name for name in sorted(tree.images) if expression.fullmatch(name)]


def ancestry(tree: RenderedTree, name: str) -> list[str]:
    """An image's ancestors and itself, the oldest first."""
    line = [name]
    while (parent := tree.images[line[0]].parent) is not None:
        line.insert(0, parent)
    return line


def make_plan(
    targets: Sequence[Target],
    existing: ExistingImages,
    *,
    release: str,
    kolla_version: str,
    registry: str,
    tag: str,
    bases: Sequence[BaseSource] = (),
    overlays: Sequence[str] = (),
    left_out: Sequence[str] = (),
    force: bool = False,
    fresh: Freshness | None = None,
    keep: tuple[str, ...] | None = None,
) -> BuildPlan:
    """Compare the images as they should be with those that exist.

    :param targets: each after its parent.
    :param tag: of the indices.
    :param force: rebuild every image.
    :param fresh: rebuild images with older packages; None for no refresh.
    :param keep: as :attr:`IndexStep.keep`.
    """
    images = _image_steps(targets, existing, force, fresh)
    building = {step.target.architecture for step in images if step.action is BuildAction.BUILD}
    # forced builds start from the root at hand, refreshed ones from the archive as it is now
    renewed = {
        step.target.architecture
        for step in images
        if fresh and step.rebuild and step.target.parent is None
    }
    return BuildPlan(
        release=release,
        kolla_version=kolla_version,
        registry=registry,
        overlays=tuple(overlays),
        images=images,
        indices=tuple(_index_steps(images, existing, tag, keep)),
        bases=tuple(
            replace(base, rebuild=base.architecture in renewed)
            for base in bases
            if base.architecture in building
        ),
        left_out=tuple(left_out),
    )


def explained(step: ImageStep | IndexStep) -> str:
    """A step's reason in words, with its detail if there is one."""
    return f"{step.reason}; {step.detail}" if step.detail else step.reason.value


def _index_steps(
    images: Sequence[ImageStep], existing: ExistingImages, tag: str, keep: tuple[str, ...] | None
) -> Iterator[IndexStep]:
    by_name: dict[str, list[ImageStep]] = {}
    for step in images:
        by_name.setdefault(step.target.name, []).append(step)
    for name, steps in by_name.items():
        architectures = sorted(step.target.architecture for step in steps)
        present = {
            architecture: image
            for architecture in architectures
            if (image := existing.remote.get((name, architecture))) is not None
        }
        current = existing.indices.get(name)
        composed = index.compose(present, current, keep)
        own = {architecture.oci for architecture in architectures}
        stay = [one for one in composed.others if one.architecture not in own]
        gone = [one for one in index.dropped(current, composed) if one.architecture not in own]
        action, reason = BuildAction.WRITE, BuildReason.MEMBERS_CHANGE
        details = [f"{one.architecture} stays in it" for one in stay if one.is_image]
        details += [f"{one.architecture} is dropped: {one.digest}" for one in gone]
        if current is None:
            reason = BuildReason.NOT_IN_REGISTRY
        elif (
            all(step.action is BuildAction.KEEP for step in steps)
            and composed.digest == current.digest
        ):
            action, reason = BuildAction.KEEP, BuildReason.SAME_MEMBERS
        elif unknown := [one for one in stay if one.digest in existing.unknown]:
            action, reason = BuildAction.REFUSE, BuildReason.ENTRY_NOT_OF_THIS_KEY
            details = [not_known(one) for one in unknown]
        yield IndexStep(
            name,
            steps[0].target.repository,
            tag,
            tuple(architectures),
            action,
            reason,
            "; ".join(details),
            keep,
            tuple(f"{one.os}/{one.architecture}" for one in gone),
            composed.digest if action is BuildAction.KEEP else "",
        )


def not_known(one: IndexEntry) -> str:
    """Which entry of an index isn't known to the signing key, and what to do."""
    what = one.architecture if one.is_image else f"what is attached to {one.attached_to}"
    return (
        f"{what} ({one.digest}): build it with this key on the machine that has its engine, "
        "or leave it out with --drop-members"
    )


def _image_steps(
    targets: Sequence[Target], existing: ExistingImages, force: bool, fresh: Freshness | None
) -> tuple[ImageStep, ...]:
    steps: dict[tuple[str, Architecture], ImageStep] = {}
    for target in targets:
        parent = steps.get((target.parent or "", target.architecture))
        step = _image_step(target, existing)
        if (
            step.reason is BuildReason.INPUTS_CHANGED
            and parent is not None
            and parent.action is BuildAction.BUILD
        ):
            step = replace(step, reason=BuildReason.PARENT_CHANGES)
        if force:
            step = _rebuilt(target, BuildReason.FORCED)
        elif fresh and step.action is not BuildAction.BUILD:
            step = _refreshed(step, parent, existing, fresh)
        elif fresh:
            step = replace(step, rebuild=True)
        steps[target.name, target.architecture] = step
    return tuple(steps.values())


def _rebuilt(target: Target, reason: BuildReason, detail: str = "") -> ImageStep:
    return ImageStep(target, BuildAction.BUILD, reason, detail, rebuild=True)


def _refreshed(
    step: ImageStep, parent: ImageStep | None, existing: ExistingImages, fresh: Freshness
) -> ImageStep:
    """The step for an image whose key is right, when the archive's updates are requested."""
    target = step.target
    if parent and parent.rebuild:
        return _rebuilt(target, BuildReason.PARENT_REBUILT)
    remote = existing.remote.get((target.name, target.architecture))
    if step.action is BuildAction.PUSH or remote is None:
        return _rebuilt(target, BuildReason.NOT_IN_REGISTRY)
    above = existing.remote.get((parent.target.name, target.architecture)) if parent else None
    old = freshness.reason(remote, target.dockerfile, above, fresh)
    return _rebuilt(target, *old) if old else step


def _image_step(target: Target, existing: ExistingImages) -> ImageStep:
    place = (target.name, target.architecture)
    remote, local = existing.remote.get(place), existing.local.get(place)
    known = remote is None or remote.digest not in existing.unknown
    if remote and target.matches(remote) and known:
        return ImageStep(target, BuildAction.KEEP, BuildReason.UP_TO_DATE)
    if local and target.matches(local):
        return ImageStep(target, BuildAction.PUSH, BuildReason.IN_ENGINE, local=local)
    if remote and target.matches(remote):
        return ImageStep(target, BuildAction.BUILD, BuildReason.NOT_OF_THIS_KEY, remote.digest)
    if remote is None:
        return ImageStep(target, BuildAction.BUILD, BuildReason.NOT_IN_REGISTRY)
    if remote.key is None:
        return ImageStep(target, BuildAction.BUILD, BuildReason.FOREIGN)
    return ImageStep(target, BuildAction.BUILD, BuildReason.INPUTS_CHANGED)
