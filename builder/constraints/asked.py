"""What the Dockerfiles of images ask pip for, and which list of versions they use."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path

from builder.context import dockerfile
from builder.facts import ImageSource, RenderedImage, RenderedTree
from builder.plan import ancestry
from core.python_packages import normalized

#: A call of pip with the list of versions, up to the next command of the shell.
_CALL = re.compile(
    r"\bpip\b[^&|;]*? install (?:[^&|;]*? )?-c /requirements/upper-constraints\.txt ([^&|;]*)"
)
#: ``ln -s nova-base-source/* nova``: where a Dockerfile puts the source of an image.
_LINK = re.compile(r"\bln -s /?([\w.-]+)-source/\* /?([\w.-]+)")
#: What Kolla's macro upper_constraints_remove writes.
_REMOVED = re.compile(r'sed -e "/\^([\w.-]+)===/d" -i requirements/upper-constraints\.txt')


@dataclass(frozen=True)
class PipRequests:
    """What images with the same list of versions ask pip for."""

    constraints: ImageSource
    """The source that holds upper-constraints.txt."""
    requirements: tuple[str, ...]
    """Requirement specifiers; a source is ``NAME[EXTRA]==VERSION`` or a ``file:`` URL."""
    removed: frozenset[str]
    """Normalized names that Kolla takes out of the list on purpose."""
    packages: frozenset[str] = frozenset()
    """Normalized names of the sources that come from PyPI."""
    paths: tuple[Path, ...] = ()
    """The local sources."""
    unread: tuple[str, ...] = ()
    """Sources that are fetched from elsewhere: what they require isn't among the requirements."""


def requests(trees: Iterable[tuple[RenderedTree, Iterable[str]]]) -> list[PipRequests]:
    """What images ask for, by the source of their list.

    :param trees: each architecture's images, with the names of those to be built.
    """
    found: dict[ImageSource, _Asked] = {}
    for tree, names in trees:
        runs = cache(partial(_runs, tree))  # those of a parent are looked at for each child
        for name in names:
            constraints = _constraints(tree, name, runs)
            if constraints is not None:
                asked = found.setdefault(constraints, _Asked())
                asked.add_image(tree.images[name], runs(name))
    return [
        PipRequests(
            constraints,
            requirements=tuple(sorted(asked.requirements)),
            removed=frozenset(asked.removed),
            packages=frozenset(asked.packages),
            paths=tuple(sorted(asked.paths)),
            unread=tuple(sorted(asked.unread)),
        )
        for constraints, asked in found.items()
        if asked.requirements
    ]


@dataclass
class _Asked:
    """What images ask for; as :class:`PipRequests`."""

    requirements: set[str] = field(default_factory=set)
    removed: set[str] = field(default_factory=set)
    packages: set[str] = field(default_factory=set)
    paths: set[Path] = field(default_factory=set)
    unread: set[str] = field(default_factory=set)

    def add_image(self, image: RenderedImage, runs: Sequence[str]) -> None:
        own = {source.name: source for source in image.sources}
        links = {path: own.get(source) for run in runs for source, path in _LINK.findall(run)}
        self.removed |= {normalized(name) for run in runs for name in _REMOVED.findall(run)}
        for word in (word for run in runs for call in _CALL.findall(run) for word in call.split()):
            if word.startswith("/"):
                path, bracket, extras = word[1:].partition("[")
                for source in image.plugins if path == "plugins/*" else [links.get(path)]:
                    if source is not None and source.enabled:
                        self.add_source(source, bracket + extras)
            elif word[0].isalnum():
                self.requirements.add(word)

    def add_source(self, source: ImageSource, extras: str) -> None:
        if source.kind == "pypi":
            name, version = source.location.split("==")
            self.requirements.add(f"{name}{extras}=={version}")
            self.packages.add(normalized(name))
        elif source.kind == "local":
            path = Path(source.location).absolute()
            self.requirements.add(f"{path.as_uri()}{extras}")
            self.paths.add(path)
        else:
            self.unread.add(source.name)


def _runs(tree: RenderedTree, name: str) -> list[str]:
    """The RUN instructions of an image, each as one line."""
    text = (tree.images[name].context / "Dockerfile").read_text(encoding="utf-8")
    return [
        " ".join(one.value.replace("\\\n", " ").split())
        for one in dockerfile.instructions(text)
        if one.keyword == "RUN"
    ]


def _constraints(
    tree: RenderedTree, name: str, runs: Callable[[str], Sequence[str]]
) -> ImageSource | None:
    """The source that an image, or the nearest of its ancestors, links to /requirements."""
    for one in reversed(ancestry(tree, name)):
        for run in runs(one):
            for source, path in _LINK.findall(run):
                if path == "requirements":
                    sources = tree.images[one].sources
                    return next((own for own in sources if own.name == source), None)
    return None
