"""Steps of overlays that name one architecture in an image that is built for another.

Where a name stands in an overlay is known exactly: before the overlay is rendered for this check,
each name is marked, outside of Jinja's own statements.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from jinja2 import Environment, TemplateSyntaxError

from builder.context import dockerfile
from builder.facts import RenderedTree
from builder.lint.patches import changes
from builder.overlays.model import TREE_PATCH, Overlay
from core.config.model import Architecture
from core.errors import Fault

_ENVIRONMENT = Environment()

#: The names of each architecture in file names, URLs and paths.
NAMES = {
    Architecture.X86_64: ("amd64", "x86_64", "x86-64"),
    Architecture.AARCH64: ("arm64", "aarch64"),
}

_ANY = re.compile(r"(?<![A-Za-z0-9])(?:amd64|x86_64|x86-64|arm64|aarch64)(?![A-Za-z0-9])")
_MARK = re.compile(r"__KOLLARM_(\d+)__")
_KEYWORDS = ("RUN", "ENV", "ADD", "COPY")
_FILE = re.compile(r"/|\.(deb|rpm|zip|tar|t?gz|xz|zst|bin|run|AppImage)\b")


def marked(overlays: Sequence[Overlay]) -> tuple[list[Overlay], list[str]]:
    """The overlays with a number after each architecture's name, and the place of each number."""
    places: list[str] = []

    def mark(overlay: Overlay) -> Overlay:
        parts, before = [], len(places)
        try:
            for line, kind, value in _ENVIRONMENT.lexer.tokeniter(overlay.template or "", None):
                text, position = "", 0
                for match in _ANY.finditer(value) if kind == "data" else ():
                    number = line + value.count("\n", 0, match.start())
                    text += f"{value[position : match.end()]}__KOLLARM_{len(places)}__"
                    places.append(f"{overlay.template_path}:{number}")
                    position = match.end()
                parts.append(text + value[position:])
        except TemplateSyntaxError:
            return overlay  # a fault of its own
        # untouched it is rendered as for a build, from the same cache
        return replace(overlay, template="".join(parts)) if len(places) > before else overlay

    return [overlay if overlay.template is None else mark(overlay) for overlay in overlays], places


def faults_of(
    overlays: Sequence[Overlay],
    trees: Mapping[Architecture, RenderedTree],
    places: Sequence[str],
) -> Iterator[Fault]:
    """Words of files and addresses that are for another architecture than their image.

    A step that names its image's own architecture too chooses between them, and is left alone.

    :param trees: with these overlays, rendered for each architecture.
    :param places: of the marks in them.
    """
    patched = [line for overlay in overlays for line in _patched(overlay)]
    folders = tuple(f"{overlay.folder}/" for overlay in overlays)
    found: dict[str, tuple[str, Architecture, list[str]]] = {}
    for architecture, tree in trees.items():
        for image in sorted(tree.images.values(), key=lambda one: one.name):
            text = (image.context / "Dockerfile").read_text(encoding="utf-8")
            if image.unbuildable or not _ANY.search(text):
                continue
            for name, number, lines in _foreign(text, architecture):
                where = [places[number]] if number is not None else []
                where += [place for place, line in patched if line in lines]
                for place in where:
                    found.setdefault(place, (name, architecture, []))[2].append(image.name)
    for place in sorted(found, key=_by_line):
        name, architecture, images = found[place]
        if place.startswith(folders):
            some = ", ".join(dict.fromkeys(images[:3])) + (" …" if len(set(images)) > 3 else "")
            yield Fault(
                place,
                f"names {name}, and is also built for {architecture} ({some})",
                "use {{ debian_arch }} or {{ base_arch }}, or {% if base_arch == … %}",
            )


def _by_line(place: str) -> tuple[str, int]:
    path, _, line = place.rpartition(":")
    return path, int(line)


def _patched(overlay: Overlay) -> Iterator[tuple[str, str]]:
    """The lines with an architecture's name that a tree patch adds, each with its place."""
    for hunk in changes(overlay.tree_patch() or ""):
        for number, line in enumerate(hunk.text.splitlines(), 1):
            if number in hunk.added and _ANY.search(line):
                yield f"{overlay.folder / TREE_PATCH}:{hunk.first + number - 1}", line.strip()


def _foreign(
    text: str, architecture: Architecture
) -> Iterator[tuple[str, int | None, frozenset[str]]]:
    """Other architectures' names in a Dockerfile: each with its mark, and its step's lines."""
    lines = text.splitlines()
    for step in dockerfile.instructions(text):
        names = _ANY.findall(step.value)
        if step.keyword not in _KEYWORDS or any(name in NAMES[architecture] for name in names):
            continue
        for word in re.split(r"[\s'\"`]+", step.value):
            for match in _ANY.finditer(word) if _FILE.search(word) else ():
                mark = _MARK.match(word, match.end())
                own = frozenset(line.strip() for line in lines[step.first - 1 : step.last])
                yield match[0], int(mark[1]) if mark else None, own
