"""What the Dockerfiles of images ask pip for, and which list of versions they use."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from builder.context import dockerfile
from builder.facts import ImageSource, RenderedImage, RenderedTree
from builder.plan import ancestry

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


def normalized(name: str) -> str:
    """A package's name as PyPI compares it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def requests(trees: Iterable[tuple[RenderedTree, Iterable[str]]]) -> list[PipRequests]:
    """What images ask for, by the source of their list.

    :param trees: each architecture's images, with the names of those to be built.
    """
    found: dict[ImageSource, list[_Asked]] = {}
    for tree, names in trees:
        for name in names:
            constraints = _constraints(tree, name)
            if constraints is not None:
                found.setdefault(constraints, []).append(_asked(tree.images[name]))
    return [
        PipRequests(
            constraints,
            requirements=tuple(sorted({line for one in asked for line in one.requirements})),
            removed=frozenset(name for one in asked for name in one.removed),
            packages=frozenset(name for one in asked for name in one.packages),
            paths=tuple(sorted({path for one in asked for path in one.paths})),
            unread=tuple(sorted({name for one in asked for name in one.unread})),
        )
        for constraints, asked in found.items()
        if any(one.requirements for one in asked)
    ]


@dataclass
class _Asked:
    """What one image asks for; as :class:`PipRequests`."""

    requirements: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    packages: list[str] = field(default_factory=list)
    paths: list[Path] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)

    def add_source(self, source: ImageSource, extras: str) -> None:
        if source.kind == "pypi":
            name, version = source.location.split("==")
            self.requirements.append(f"{name}{extras}=={version}")
            self.packages.append(normalized(name))
        elif source.kind == "local":
            path = Path(source.location).absolute()
            self.requirements.append(f"{path.as_uri()}{extras}")
            self.paths.append(path)
        else:
            self.unread.append(source.name)


def _runs(image: RenderedImage) -> Iterator[str]:
    text = (image.context / "Dockerfile").read_text(encoding="utf-8")
    for one in dockerfile.instructions(text):
        if one.keyword == "RUN":
            yield " ".join(one.value.replace("\\\n", " ").split())


def _asked(image: RenderedImage) -> _Asked:
    runs = list(_runs(image))
    own = {source.name: source for source in image.sources}
    links = {path: own.get(source) for run in runs for source, path in _LINK.findall(run)}
    asked = _Asked()
    asked.removed += [normalized(name) for run in runs for name in _REMOVED.findall(run)]
    for word in (word for run in runs for call in _CALL.findall(run) for word in call.split()):
        if word.startswith("/"):
            path, bracket, extras = word[1:].partition("[")
            for source in image.plugins if path == "plugins/*" else [links.get(path)]:
                if source is not None and source.enabled:
                    asked.add_source(source, bracket + extras)
        elif word[0].isalnum():
            asked.requirements.append(word)
    return asked


def _constraints(tree: RenderedTree, name: str) -> ImageSource | None:
    """The source that an image, or the nearest of its ancestors, links to /requirements."""
    for one in reversed(ancestry(tree, name)):
        image = tree.images[one]
        for run in _runs(image):
            for source, path in _LINK.findall(run):
                if path == "requirements":
                    return next((own for own in image.sources if own.name == source), None)
    return None
