"""Overlays held against a release's own templates, without an engine.

Kolla itself drops a misspelt block without a word and renders an undefined
variable as nothing.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, TemplateSyntaxError, nodes

from builder import releases, templates
from builder.facts import Tree
from builder.overlays.compose import compose
from builder.overlays.model import DESCRIPTION, Overlay, available, read
from builder.overlays.template import Assignment, Block, parse
from builder.render import Request, render
from builder.templates import Offer
from builder.toolchain import toolchain
from kollarm.config.model import Architecture, Distro
from kollarm.errors import ConfigError, Fault

_ENVIRONMENT = Environment()

#: What a block of a child template has besides what the release hands over.
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
class Report:
    """What was found in which overlays, for which release."""

    release: str
    kolla_version: str
    overlays: tuple[str, ...]
    faults: tuple[Fault, ...]

    @property
    def ok(self) -> bool:
        return not self.faults

    def to_json(self) -> dict[str, object]:
        """The report as plain data."""
        return {
            "release": self.release,
            "kolla": self.kolla_version,
            "overlays": list(self.overlays),
            "ok": self.ok,
            "faults": [
                {"where": fault.where, "message": fault.message, "hint": fault.hint}
                for fault in self.faults
            ],
        }

    def __str__(self) -> str:
        count = f"{len(self.overlays)} overlays, Kolla {self.kolla_version} ({self.release})"
        return "\n".join([*map(str, self.faults), f"{count}: {len(self.faults)} faults"])


def lint(release: str, folders: Sequence[Path], names: Sequence[str] | None = None) -> Report:
    """Check overlays against a release.

    :param folders: where overlays are looked for.
    :param names: the overlays to check, also with each other, in this order;
        without names each that is found is checked by itself.
    :raises ConfigError: the release or a named overlay is unknown.
    :raises KollarmError: the release's Kolla can't be installed.
    """
    known = available(folders)
    if unknown := [name for name in names or () if name not in known]:
        raise ConfigError(
            "unknown overlays",
            [Fault(name, "no such overlay", did_you_mean(name, known)) for name in unknown],
        )
    faults: list[Fault] = []
    overlays: list[Overlay] = []
    for name in names or sorted(known):
        try:
            overlays.append(read(known[name]))
        except ConfigError as error:
            faults += error.faults
    tree = plain_tree(release)
    offer = templates.read(tree.templates)
    for overlay in overlays:
        together = overlays if names else [overlay]
        faults += check(overlay, together, offer, tree.template_names, release)
    if names:
        try:
            compose(overlays, {})
        except ConfigError as error:
            faults += [fault for fault in error.faults if fault not in faults]
    return Report(
        release, tree.kolla_version, tuple(overlay.name for overlay in overlays), tuple(faults)
    )


def plain_tree(release: str) -> Tree:
    """The release's templates as they are: which distribution and architecture is no matter."""
    found = releases.find(release)
    options: dict[str, str | list[str]] = {
        "base": Distro.UBUNTU.value,
        "install_type": "source",
        "quiet": "true",
    }
    return render(toolchain(found), Request(Architecture.X86_64, options))


def check(
    overlay: Overlay,
    together: Sequence[Overlay],
    offer: Offer,
    template_names: Iterable[str],
    release: str,
) -> list[Fault]:
    """Everything wrong with one overlay.

    :param together: the overlays that will be composed with it, and itself.
    """
    faults = list(_description(overlay, offer, release))
    if overlay.template is None:
        return faults
    override = parse(overlay.template, str(overlay.template_path))
    faults += override.faults
    if not override.parts:
        return faults
    read_anywhere = {name for one in together for name, _ in _used(one)}
    for part in override.parts:
        if isinstance(part, Block):
            faults += _block(overlay, part, offer)
        elif isinstance(part, Assignment):
            if part.name in offer.lists or part.name in read_anywhere:
                continue
            where = f"{overlay.template_path}:{part.line}"
            hint = did_you_mean(part.name, offer.lists)
            faults.append(Fault(where, f"nothing uses the variable {part.name!r}", hint))
    return faults + _undefined(overlay, together, offer, template_names)


def _block(overlay: Overlay, block: Block, offer: Offer) -> list[Fault]:
    where = f"{overlay.template_path}:{block.line}"
    having = offer.blocks.get(block.name)
    if having is None:
        hint = did_you_mean(block.name, offer.blocks)
        return [Fault(where, f"no template has a block {block.name!r}", hint)]
    images = set(overlay.description.applies_to.images)
    if images and not images & having:
        some = ", ".join(sorted(having)[:3])
        return [Fault(where, f"block {block.name!r} is in none of its images", f"it is in {some}")]
    return []


def _undefined(
    overlay: Overlay, together: Sequence[Overlay], offer: Offer, template_names: Iterable[str]
) -> list[Fault]:
    images = set(overlay.description.applies_to.images)
    names = {*template_names, *JINJA_NAMES, *offer.lists}
    for one in together:
        names |= {*one.description.variables, *one.description.inputs}
        names |= templates.assigned(_tree(one))
    for image, own in offer.images.items():
        if not images or image in images:
            names |= own
    faults: dict[str, Fault] = {}
    for name, line in _used(overlay):
        if name not in names:
            where = f"{overlay.template_path}:{line}"
            message = f"the variable {name!r} is defined nowhere"
            faults.setdefault(name, Fault(where, message, did_you_mean(name, names)))
    return list(faults.values())


def _description(overlay: Overlay, offer: Offer, release: str) -> Iterator[Fault]:
    where = str(overlay.folder / DESCRIPTION)
    description = overlay.description
    if description.applies_to.releases and release not in description.applies_to.releases:
        yield Fault(where, f"applies to nothing in {release}", "see applies_to.releases")
    places = {
        "applies_to.images": description.applies_to.images,
        "files": list(description.files),
        **{f"inputs.{name}": images for name, images in description.inputs.items()},
    }
    for key, names in places.items():
        for name in names:
            if name not in offer.images:
                yield Fault(
                    f"{where}: {key}", f"no image {name!r}", did_you_mean(name, offer.images)
                )
    try:
        overlay.context_files()
    except ConfigError as error:
        yield from error.faults


def _used(overlay: Overlay) -> list[tuple[str, int]]:
    return templates.used(_tree(overlay))


def _tree(overlay: Overlay) -> nodes.Template:
    try:
        return _ENVIRONMENT.parse(overlay.template or "")
    except TemplateSyntaxError:
        return nodes.Template([])  # a fault of its own already


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """A remedy that names what is nearest; None when nothing is near."""
    near = difflib.get_close_matches(name, sorted(known), 3)
    return f"did you mean {' or '.join(near)}?" if near else None
