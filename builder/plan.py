"""What a build will do, worked out from facts alone: no server, no file is touched."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from builder import freshness, index
from builder.base_image import BaseSource
from builder.facts import EngineImage, ExistingImages, RenderedImage, RenderedTree
from builder.freshness import Freshness
from core.config.model import Architecture
from core.errors import ConfigError, Fault
from core.suggest import did_you_mean

#: Why an image is built that the registry has with another key.
CHANGED = "what it is made from has changed"


class BuildAction(StrEnum):
    """What is done with an image or index."""

    KEEP = "keep"
    PUSH = "push"
    BUILD = "build"
    WRITE = "write"


@dataclass(frozen=True)
class Target:
    """One image of one architecture as it should be."""

    name: str
    architecture: Architecture
    parent: str | None
    """The Kolla image it starts from; None for ``base``."""
    key: str
    """The digest over everything it is built from."""
    reference: str
    """What the engine and the registry call it."""
    rendered: RenderedImage
    dockerfile: str
    """Its Dockerfile; the parent that its FROM names is put in when it is built."""

    @property
    def repository(self) -> str:
        """The path of its repository in the registry."""
        return self.reference.rsplit(":", 1)[0].split("/", 1)[1]

    @property
    def published(self) -> str:
        """What it is called in its registry, without the namespace."""
        return self.repository.rsplit("/", 1)[-1]

    @property
    def tag(self) -> str:
        return self.reference.rsplit(":", 1)[1]


@dataclass(frozen=True)
class ImageStep:
    """What happens to one image of one architecture, and why."""

    target: Target
    action: BuildAction
    reason: str
    local: EngineImage | None = None
    """The image that the engine has already, for Action.PUSH."""
    rebuild: bool = False
    """Built without the engine's layer cache, from what archives and sources have now."""


@dataclass(frozen=True)
class IndexStep:
    """What happens to the index over one image's architectures, and why."""

    name: str
    repository: str
    tag: str
    members: tuple[Architecture, ...]
    action: BuildAction
    reason: str
    keep: tuple[str, ...] | None = ()
    """Architectures (by OCI's names) whose entries stay beside the members; None for any."""


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
    """Images that the release can't build on an architecture, in words."""

    @property
    def idle(self) -> bool:
        """Whether everything is as it should be already."""
        return all(step.action is BuildAction.KEEP for step in self.images) and all(
            step.action is BuildAction.KEEP for step in self.indices
        )

    def to_dict(self) -> dict[str, object]:
        """The plan as plain data."""
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
                    "reason": step.reason,
                }
                for step in self.images
            ],
            "indices": [
                {
                    "image": step.name,
                    "reference": f"{self.registry}/{step.repository}:{step.tag}",
                    "members": [member.value for member in step.members],
                    "action": step.action.value,
                    "reason": step.reason,
                }
                for step in self.indices
            ],
            "left_out": list(self.left_out),
        }

    def __str__(self) -> str:
        rows = [
            (step.action, step.target.name, step.target.architecture.value, step.reason)
            for step in self.images
        ] + [
            (step.action, f"{step.name}:{step.tag}", "index", step.reason) for step in self.indices
        ]
        width = max((len(row[1]) for row in rows), default=0)
        lines = [f"{row[0]:5} {row[1]:{width}} {row[2]:8} {row[3]}" for row in rows]
        return "\n".join([*lines, *(f"left out: {line}" for line in self.left_out)])


def select(
    trees: Mapping[Architecture, RenderedTree], wanted: Mapping[Architecture, Sequence[str]]
) -> tuple[dict[Architecture, list[str]], list[str]]:
    """The images to look after for each architecture, each after its parent.

    :param wanted: for each architecture names, or regular expressions that match whole names.
    :returns: the images, and in words what is left out since the release calls
        it unbuildable.
    :raises ConfigError: something wanted is in no tree.
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
                    f"{pattern!r} is no image of this release",
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
        raise ConfigError("images that don't exist are asked for", faults)
    return chosen, left_out


def matching(tree: RenderedTree, pattern: str) -> list[str]:
    """The images that a name or regular expression means.

    :raises ConfigError: it is no valid regular expression.
    """
    if pattern in tree.images:
        return [pattern]
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise ConfigError(
            "an image pattern is wrong", [Fault("build.images", f"{pattern!r}: {error}")]
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
    keep: tuple[str, ...] | None = (),
) -> BuildPlan:
    """Compare what should be with what is.

    :param targets: each after its parent.
    :param tag: of the indices.
    :param force: build every image again.
    :param fresh: build again what holds older packages than these; None asks for no refresh.
    :param keep: as :attr:`IndexStep.keep`.
    """
    images = _image_steps(targets, existing, force, fresh)
    kept = {step.target.name: True for step in images}
    for step in images:
        kept[step.target.name] &= step.action is BuildAction.KEEP
    indices = []
    for name in dict.fromkeys(target.name for target in targets):
        own = [target for target in targets if target.name == name]
        members = {
            target.architecture: existing.remote.get((name, target.architecture)) for target in own
        }
        present = {key: value for key, value in members.items() if value is not None}
        current = existing.indices.get(name)
        beside = index.others(current, members, keep)
        if kept[name] and index.is_current(current, present, beside):
            action, reason = BuildAction.KEEP, "names these members already"
        elif current is None:
            action, reason = BuildAction.WRITE, "not in the registry"
        else:
            action, reason = BuildAction.WRITE, "its members change"
        if beside:
            reason += f"; {', '.join(one.architecture for one in beside)} stays in it"
        indices.append(
            IndexStep(name, own[0].repository, tag, tuple(sorted(members)), action, reason, keep)
        )
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
        indices=tuple(indices),
        bases=tuple(
            replace(base, rebuild=base.architecture in renewed)
            for base in bases
            if base.architecture in building
        ),
        left_out=tuple(left_out),
    )


def _image_steps(
    targets: Sequence[Target], existing: ExistingImages, force: bool, fresh: Freshness | None
) -> tuple[ImageStep, ...]:
    steps: dict[tuple[str, Architecture], ImageStep] = {}
    for target in targets:
        above = steps.get((target.parent or "", target.architecture))
        step = _image_step(target, existing)
        if step.reason == CHANGED and above and above.action is BuildAction.BUILD:
            step = replace(step, reason="its parent changes")
        if force:
            step = ImageStep(target, BuildAction.BUILD, "asked for", rebuild=True)
        elif fresh and step.action is not BuildAction.BUILD:
            step = _refreshed(step, above, existing, fresh)
        elif fresh:
            step = replace(step, rebuild=True)
        steps[target.name, target.architecture] = step
    return tuple(steps.values())


def _refreshed(
    step: ImageStep, above: ImageStep | None, existing: ExistingImages, fresh: Freshness
) -> ImageStep:
    """The step for an image whose key is right, when the archive's updates are asked for."""
    target = step.target
    if above and above.rebuild:
        return ImageStep(target, BuildAction.BUILD, "its parent is made anew", rebuild=True)
    found = existing.remote.get((target.name, target.architecture))
    if step.action is BuildAction.PUSH or found is None:
        return ImageStep(target, BuildAction.BUILD, "not in the registry", rebuild=True)
    parent = existing.remote.get((above.target.name, target.architecture)) if above else None
    old = freshness.reason(found, target.dockerfile, parent, fresh)
    return ImageStep(target, BuildAction.BUILD, old, rebuild=True) if old else step


def _image_step(target: Target, existing: ExistingImages) -> ImageStep:
    place = (target.name, target.architecture)
    remote, local = existing.remote.get(place), existing.local.get(place)
    if remote and (remote.key, remote.architecture) == (target.key, target.architecture.oci):
        return ImageStep(target, BuildAction.KEEP, "the registry has it with the same key")
    if local and (local.key, local.architecture) == (target.key, target.architecture.oci):
        return ImageStep(target, BuildAction.PUSH, "the engine has it with the same key", local)
    if remote is None:
        return ImageStep(target, BuildAction.BUILD, "not in the registry")
    if remote.key is None:
        return ImageStep(target, BuildAction.BUILD, "the registry's was not built by kollarm")
    return ImageStep(target, BuildAction.BUILD, CHANGED)
