"""The rules that one overlay is checked against, given a release's templates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from jinja2 import Environment, TemplateSyntaxError, nodes

from builder.facts import RenderedTree
from builder.kolla.releases import RELEASES, spans
from builder.lint import kolla_templates, sed_edits
from builder.lint.kolla_templates import CustomizationPoints
from builder.lint.patches import changes, faults_of_image_patches
from builder.overlays import kolla_build, settings
from builder.overlays.model import (
    DESCRIPTION,
    KOLLA_BUILD,
    PATCHES,
    PREFERENCES,
    REPOSITORIES,
    TREE_PATCH,
    Overlay,
    place_of,
)
from builder.overlays.template import Block, Override, parse
from builder.plan import ancestry
from core.config.model import Build
from core.errors import ConfigError, Fault
from core.suggest import did_you_mean
from core.yaml_faults import Position

_ENVIRONMENT = Environment()

#: Names that every block of a child template has, besides the release's own.
JINJA_NAMES = frozenset(
    {
        "super",
        "self",
        "caller",
        "varargs",
        "kwargs",
        "loop",
        "parent_template",
        *_ENVIRONMENT.globals,
    }
)


@dataclass(frozen=True)
class LintContext:
    """The templates that an overlay is checked against."""

    points: CustomizationPoints
    """The release's templates, with the tree patches that come before."""
    tree: RenderedTree
    """Its templates, rendered as they are."""


def faults_of(overlay: Overlay, together: Sequence[Overlay], context: LintContext) -> list[Fault]:
    """All faults of one overlay.

    :param together: the overlays that will be composed with it, and itself.
    """
    faults = [
        *_description(overlay, context.points),
        *_settings(overlay, context),
        *_patches(overlay, context),
    ]
    override = Override((), ())
    if overlay.template is not None:
        override = parse(overlay.template, str(overlay.template_path))
        faults += override.faults
        faults += _override(overlay, override, together, context.points)
        faults += _undefined(overlay, together, context)
    return faults + list(_ineffective(overlay, override, context))


def out_of_place(
    overlay: Overlay, tree: RenderedTree, release: str, build: Build | None
) -> Iterator[tuple[Fault, bool]]:
    """Why an overlay doesn't apply to a release, or to the configuration's images.

    :param build: the images that are built; None when that isn't known.
    :returns: each reason, and whether it holds for every release.
    """
    where = str(overlay.folder / DESCRIPTION)
    scope = overlay.description.applies_to
    for number, name in enumerate(scope.releases):
        if name.removesuffix("+") not in RELEASES:
            at = place_of(overlay.folder / DESCRIPTION, ("applies_to", "releases", number))
            yield Fault(at, f"no release {name!r}", did_you_mean(name, RELEASES)), True
    if scope.releases and not spans(scope.releases, release):
        yield Fault(where, f"applies to nothing in {release}", "see applies_to.releases"), False
    if scope.distros and not tree.distros & set(scope.distros):
        known = ", ".join(sorted(tree.distros))
        message = f"applies to nothing in {release}, whose distributions are {known}"
        yield Fault(where, message, "see applies_to.distros"), False
    if build is not None and scope.distros and build.distro not in scope.distros:
        message = f"applies to nothing here: the images' distribution is {build.distro}"
        yield Fault(where, message, "see applies_to.distros"), False
    if (
        build is not None
        and scope.architectures
        and not set(build.engines) & set(scope.architectures)
    ):
        message = f"applies to nothing here: images are for {', '.join(build.engines)}"
        yield Fault(where, message, "see applies_to.architectures"), False


def _override(
    overlay: Overlay, override: Override, together: Sequence[Overlay], points: CustomizationPoints
) -> Iterator[Fault]:
    read_anywhere = {name for one in together for name, _ in _used(one)}
    for part in override.parts:
        if isinstance(part, Block):
            yield from _block(overlay, part, points)
    for assignment in override.assignments:
        if assignment.name not in points.lists and assignment.name not in read_anywhere:
            where = f"{overlay.template_path}:{assignment.line}"
            hint = did_you_mean(assignment.name, points.lists)
            yield Fault(where, f"nothing uses the variable {assignment.name!r}", hint)


def _block(overlay: Overlay, block: Block, points: CustomizationPoints) -> Iterator[Fault]:
    where = f"{overlay.template_path}:{block.line}"
    having = points.blocks.get(block.name)
    if having is None:
        hint = did_you_mean(block.name, points.blocks)
        yield Fault(where, f"no template has a block {block.name!r}", hint)
        return
    images = set(overlay.description.applies_to.images)
    if images and not images & having:
        some = ", ".join(sorted(having)[:3])
        yield Fault(where, f"block {block.name!r} is in none of its images", f"it is in {some}")


def _undefined(overlay: Overlay, together: Sequence[Overlay], context: LintContext) -> list[Fault]:
    images = set(overlay.description.applies_to.images)
    names = {*context.tree.template_names, *JINJA_NAMES, *context.points.lists}
    for one in together:
        names |= {*one.description.variables, *one.description.inputs}
        names |= kolla_templates.assigned(_tree(one))
    for image, own in context.points.images.items():
        if not images or image in images:
            names |= own
    faults: dict[str, Fault] = {}
    for name, line in _used(overlay):
        if name not in names:
            where = f"{overlay.template_path}:{line}"
            message = f"the variable {name!r} is defined nowhere"
            faults.setdefault(name, Fault(where, message, did_you_mean(name, names)))
    return list(faults.values())


def _description(overlay: Overlay, points: CustomizationPoints) -> Iterator[Fault]:
    path = overlay.folder / DESCRIPTION
    where = str(path)
    description = overlay.description
    named: list[tuple[Position, str]] = [
        (("applies_to", "images", number), name)
        for number, name in enumerate(description.applies_to.images)
    ]
    named += [(("files", name), name) for name in description.files]
    for kind, images in description.inputs.items():
        named += [(("inputs", kind, number), name) for number, name in enumerate(images)]
    for position, name in named:
        if name not in points.images:
            hint = did_you_mean(name, points.images)
            yield Fault(place_of(path, position), f"no image {name!r}", hint)
    beside = (KOLLA_BUILD, TREE_PATCH, PATCHES, REPOSITORIES, PREFERENCES)
    if (
        overlay.template is None
        and not description.files
        and not any((overlay.folder / name).exists() for name in beside)
    ):
        yield Fault(where, "changes nothing", f"add template-override.j2, or {', '.join(beside)}")
    try:
        overlay.context_files()
    except ConfigError as error:
        yield from error.faults


def _settings(overlay: Overlay, context: LintContext) -> Iterator[Fault]:
    try:
        sections = settings.read(overlay)
    except ConfigError as error:
        yield from error.faults
        return
    images = context.points.images
    for name, options in sections.items():
        if name == "DEFAULT":
            for option in options:
                if option not in context.tree.known_options:
                    hint = did_you_mean(option, context.tree.known_options)
                    where = kolla_build.place_of(overlay.folder, name, option)
                    yield Fault(where, f"Kolla has no option {option!r}", hint)
        elif not name.endswith("-user") and not any(
            name == image or name.startswith((f"{image}-plugin-", f"{image}-additions-"))
            for image in images
        ):
            where = kolla_build.place_of(overlay.folder, name)
            yield Fault(where, f"no image has a section [{name}]", did_you_mean(name, images))


def _patches(overlay: Overlay, context: LintContext) -> Iterator[Fault]:
    try:
        patches = overlay.image_patches()
        yield from faults_of_image_patches(overlay)
    except ConfigError as error:
        yield from error.faults
        return
    where = overlay.folder / PATCHES
    for image in patches:
        if image not in context.points.images:
            hint = did_you_mean(image, context.points.images)
            yield Fault(str(where / image), f"no image {image!r}", hint)
    if patches and "patches_path" not in context.tree.known_options:
        yield Fault(
            str(where),
            f"Kolla {context.tree.kolla_version} applies no patches to files in images",
            "limit the overlay to releases from 2025.1 on, or use a block",
        )


def _ineffective(overlay: Overlay, override: Override, context: LintContext) -> Iterator[Fault]:
    """Steps that may leave their file unchanged, in the override and in the tree patch."""
    blocks = [part for part in override.parts if isinstance(part, Block)]
    limit = set(overlay.description.applies_to.images)
    for found in sed_edits.find(sed_edits.without_jinja(overlay.template or "")):
        inside = [block for block in blocks if block.line <= found.line]
        images = context.points.blocks.get(inside[-1].name, frozenset()) if inside else frozenset()
        place = f"{overlay.template_path}:{found.line}"
        yield from _of_step(found, place, (images & limit) if limit else images, context.tree)
    for change in changes(overlay.tree_patch() or ""):
        if not change.path.endswith("/Dockerfile.j2"):
            continue
        image = change.path.split("/")[-2]
        for found in sed_edits.find(sed_edits.without_jinja(change.text), change.added):
            place = f"{overlay.folder / TREE_PATCH}:{change.first + found.line - 1}"
            yield from _of_step(found, place, {image}, context.tree)


def _of_step(
    found: sed_edits.SedEdit | sed_edits.UncheckedPatch,
    place: str,
    images: Iterable[str],
    tree: RenderedTree,
) -> Iterator[Fault]:
    if isinstance(found, sed_edits.UncheckedPatch):
        yield Fault(place, "the build goes on when this patch doesn't apply", "remove the ||")
        return
    verdicts = {}
    for image in sorted(set(images) & set(tree.images)):
        for one in ancestry(tree, image):
            context = tree.images[one].context
            files = sed_edits.copied((context / "Dockerfile").read_text(encoding="utf-8"), context)
            if found.file in files:
                verdicts[image] = sed_edits.tried(found, files[found.file].read_bytes())
    unchanged = [image for image, changed in verdicts.items() if changed is False]
    if unchanged:
        yield Fault(place, f"sed leaves {found.file} in {', '.join(unchanged)} unchanged")
    elif not found.guarded and not (verdicts and all(verdicts.values())):
        yield Fault(
            place,
            f"sed may leave {found.file} unchanged, and the build would go on",
            "put a grep -q for what it replaces, on the same file, before it: grep -q … && sed …",
        )


def _used(overlay: Overlay) -> list[tuple[str, int]]:
    return kolla_templates.used(_tree(overlay))


def _tree(overlay: Overlay) -> nodes.Template:
    try:
        return _ENVIRONMENT.parse(overlay.template or "")
    except TemplateSyntaxError:
        return nodes.Template([])  # a fault of its own already
