"""The names by which overlays can change a release's templates, read with Jinja's parser."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, TemplateSyntaxError, nodes

from core.errors import KollarmError

_ENVIRONMENT = Environment()

#: The endings of the variables that the ``customizable`` filter of Kolla's templates reads.
ENDINGS = ("_append", "_remove", "_override")


@dataclass(frozen=True)
class CustomizationPoints:
    """The images, blocks and lists of a release's templates that overlays can change."""

    images: dict[str, frozenset[str]]
    """Image → the names its template assigns or imports."""
    blocks: dict[str, frozenset[str]]
    """Block → the images whose templates have it."""
    lists: dict[str, str]
    """List variables (``cron_packages_append`` …) → the image they belong to."""


def read(folder: Path) -> CustomizationPoints:
    """Parse every ``Dockerfile.j2`` below a folder; an image is named by its template's folder.

    :raises KollarmError: a template is not valid Jinja.
    """
    images: dict[str, frozenset[str]] = {}
    blocks: dict[str, set[str]] = {}
    lists: dict[str, str] = {}
    for path in sorted(folder.rglob("Dockerfile.j2")):
        image = path.parent.name
        try:
            tree = _ENVIRONMENT.parse(path.read_text(encoding="utf-8"))
        except TemplateSyntaxError as error:
            raise KollarmError(
                f"{path}:{error.lineno}: {error.message}",
                hint="the Kolla release itself, or a patch to it, is broken",
            ) from error
        for block in tree.find_all(nodes.Block):
            blocks.setdefault(block.name, set()).add(image)
        for call in tree.find_all(nodes.Filter):
            kind = call.args[0] if call.args else None
            if call.name == "customizable" and isinstance(kind, nodes.Const):
                stem = f"{image.replace('-', '_')}_{kind.value}"
                lists.update({stem + ending: image for ending in ENDINGS})
        images[image] = frozenset(assigned(tree))
    return CustomizationPoints(
        images, {name: frozenset(found) for name, found in blocks.items()}, lists
    )


def assigned(tree: nodes.Node) -> set[str]:
    """The names that a template gives a meaning: by set, import, macro or loop."""
    names = {name.name for name in tree.find_all(nodes.Name) if name.ctx in ("store", "param")}
    names |= {macro.name for macro in tree.find_all(nodes.Macro)}
    names |= {module.target for module in tree.find_all(nodes.Import)}
    for module in tree.find_all(nodes.FromImport):
        names |= {one if isinstance(one, str) else one[1] for one in module.names}
    return names


def used(tree: nodes.Node) -> list[tuple[str, int]]:
    """The variables a template reads, with their lines, except for tested ones.

    ``X is defined`` and ``X | default(…)`` are tests, not uses.
    """
    asked = {
        id(inner)
        for question in tree.find_all((nodes.Filter, nodes.Test))
        if question.name in ("default", "d", "defined", "undefined")
        and (inner := question.node) is not None
    }
    return [
        (name.name, name.lineno)
        for name in tree.find_all(nodes.Name)
        if name.ctx == "load" and id(name) not in asked
    ]
