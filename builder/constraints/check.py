"""Finding packages that a list of versions lacks, and making a complete list."""

from __future__ import annotations

import re
import tarfile
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from builder import keys
from builder.constraints.asked import PipRequests, requests
from builder.constraints.resolve import UV, NoSuchVersionsError, resolve
from builder.facts import ImageSource, RenderedTree
from core import cache, files
from core.config.model import Architecture, Config
from core.errors import ConfigError, Fault, KollarmError
from core.python_packages import normalized

NAME = "upper-constraints.txt"

#: The missing packages that a warning names.
SHOWN = 12

#: The beginning of a base image's tag or suite → its Python.
PYTHONS = {
    "bullseye": "3.9",
    "bookworm": "3.11",
    "trixie": "3.13",
    "jammy": "3.10",
    "22.04": "3.10",
    "noble": "3.12",
    "24.04": "3.12",
    "9": "3.9",
    "10": "3.12",
}


@dataclass(frozen=True)
class WrittenConstraints:
    """A list of versions that was written."""

    path: Path
    versions: Mapping[str, str]
    unread: tuple[str, ...]
    """Sources whose requirements aren't in it."""

    def to_dict(self) -> dict[str, object]:
        return {
            "path": str(self.path),
            "versions": dict(self.versions),
            "unread": list(self.unread),
        }

    def to_text(self) -> str:
        lines = [f"{self.path}: {len(self.versions)} packages"]
        if self.unread:
            lines.append(
                "not read, since they are neither on PyPI nor on this machine: "
                + ", ".join(self.unread)
            )
        return "\n".join(lines)


def warnings(
    config: Config,
    trees: Mapping[Architecture, RenderedTree],
    names: Mapping[Architecture, Collection[str]],
) -> list[str]:
    """A sentence for each list of versions that lacks packages.

    Only lists on this machine are looked at: OpenStack's own is complete.

    :param names: the images that are going to be built.
    """
    sources = (
        own for tree in trees.values() for image in tree.images.values() for own in image.sources
    )
    if not any(map(_here, sources)):
        return []  # most often; no Dockerfile has to be read
    python = python_of(config, next(iter(trees.values())))
    found = []
    for request in requests((tree, names[one]) for one, tree in trees.items()):
        if _here(request.constraints):
            found += _warning(request, python)
    return found


def _here(source: ImageSource) -> bool:
    """Whether a source is used, and on this machine."""
    return source.kind == "local" and source.enabled


def _warning(request: PipRequests, python: str | None) -> list[str]:
    text = read(request.constraints)
    if text is None or python is None or not all(path.exists() for path in request.paths):
        return []  # what isn't there is an error when it is fetched
    place = f"build.sources.{request.constraints.name}: {NAME}"
    listed = names_in(text)
    try:
        needed = _resolved(request, python, text)
    except NoSuchVersionsError as error:
        return [f"{place} contradicts what the images ask pip for; pip will fail\n{error.details}"]
    except KollarmError as error:
        return [f"{place} can't be checked: {error.message}"]
    missing = sorted(set(needed) - listed - request.removed - request.packages)
    if not missing:
        return []
    shown = ", ".join(missing[:SHOWN]) + (" …" if len(missing) > SHOWN else "")
    return [
        f"{place} lacks {len(missing)} of the packages that pip will need, and it may try versions "
        f"for hours: {shown} (kollarm constraints writes a complete list)"
    ]


def _resolved(request: PipRequests, python: str, text: str) -> dict[str, str]:
    """What pip would install with a list of versions; the answer is kept."""
    kept = "".join(
        f"{line}\n" for line in text.splitlines() if not names_in(line) & request.removed
    )
    inputs = {
        "uv": UV,
        "python": python,
        "requirements": request.requirements,
        "constraints": kept,
        "sources": [keys.content(path) for path in request.paths],
    }

    def make(folder: Path) -> None:
        found = resolve(request.requirements, folder, python=python, constraints=kept)
        (folder / NAME).write_text(_lines(found), encoding="utf-8")

    folder = cache.entry("constraints", cache.digest(inputs), make)
    lines = (folder / NAME).read_text(encoding="utf-8").splitlines()
    return dict(line.split("===") for line in lines)


def write(
    config: Config,
    trees: Mapping[Architecture, RenderedTree],
    names: Mapping[Architecture, Collection[str]],
    folder: Path,
    *,
    before: str | None = None,
    limits: Sequence[str] = (),
) -> WrittenConstraints:
    """Write a complete list of versions for images.

    :param names: the images.
    :param folder: gets upper-constraints.txt; one that it has is replaced.
    :param before: a date (``2026-04-20``): versions that were the newest then. Sources that the
        configuration takes from PyPI may be newer.
    :param limits: such as ``Django<6``.
    :raises ConfigError: the images have no Python packages, or their Python isn't known.
    :raises KollarmError: no choice of versions fits, or the index can't be reached.
    """
    asked = requests((tree, names[one]) for one, tree in trees.items())
    if not asked:
        raise ConfigError("the images have no Python packages, so they need no list of versions")
    python = python_of(config, next(iter(trees.values())))
    if python is None:
        raise ConfigError(
            "it isn't known which Python the base image has",
            [Fault("build.base", "neither its suite nor its tag says so", "use a release's tag")],
        )
    own = frozenset[str]().union(*(one.packages for one in asked))
    with tempfile.TemporaryDirectory() as temporary:
        found = resolve(
            sorted({line for one in asked for line in one.requirements}),
            Path(temporary),
            python=python,
            constraints="".join(f"{line}\n" for line in limits),
            before=before,
            unlimited=sorted(own),
        )
    versions = {name: version for name, version in found.items() if name not in own}
    folder.mkdir(parents=True, exist_ok=True)
    files.write(folder / NAME, _lines(versions))
    unread = sorted({name for one in asked for name in one.unread})
    return WrittenConstraints(folder / NAME, versions, tuple(unread))


def python_of(config: Config, tree: RenderedTree) -> str | None:
    """The version of Python in the base image; None if its tag doesn't say."""
    base = config.build.base
    tag = base.bootstrap.suite if base.bootstrap else base.tag or tree.base_tag
    return next(
        (version for start, version in PYTHONS.items() if re.match(rf"{start}\b", tag)), None
    )


def read(source: ImageSource) -> str | None:
    """The list of versions in a local folder or archive; None if there is none."""
    path = Path(source.location)
    if path.is_dir():
        file = path / NAME
        return file.read_text(encoding="utf-8", errors="replace") if file.is_file() else None
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                # Kolla links what lies in the archive's one folder
                if member.name.removeprefix("./").split("/")[1:] == [NAME] and member.isfile():
                    packed = archive.extractfile(member)
                    return packed.read().decode("utf-8", "replace") if packed else None
    except (OSError, tarfile.TarError):
        pass
    return None


def names_in(text: str) -> set[str]:
    """The packages, by their normalized names, of a constraints file."""
    return {
        normalized(match[1])
        for match in re.finditer(r"^\s*([A-Za-z0-9][\w.-]*?)\s*[=<>!~;]", text, re.MULTILINE)
    }


def _lines(versions: Mapping[str, str]) -> str:
    # with three =, as in OpenStack's own: Kolla's sed expressions look for them
    return "".join(f"{name}==={version}\n" for name, version in sorted(versions.items()))
