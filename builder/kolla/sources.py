"""The sources of images: archives by URL or from PyPI, git checkouts, local files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path

from builder.facts import ImageSource, RenderedImage, RenderedTree
from core import cache, download, progress, venv
from core.config.model import Architecture, SourceOf
from core.errors import ConfigError, Fault, KollarmError
from core.git import check_address, check_reference, git
from core.suggest import did_you_mean

#: Bytes of the largest archive of a source that is downloaded.
LARGEST = 4 << 30


def chosen(
    trees: Mapping[Architecture, RenderedTree], wanted: Mapping[str, SourceOf]
) -> dict[Architecture, RenderedTree]:
    """The trees with the configuration's sources in place of the release's own.

    :param wanted: name or pattern → source; the first that matches a name counts.
    :raises ConfigError: a name matches no source of the release.
    """
    known = {source.name for tree in trees.values() for source in _all(tree)}
    if faults := [
        Fault(f"build.sources.{pattern}", "no such source", did_you_mean(pattern, known))
        for pattern in wanted
        if not any(fnmatchcase(name, pattern) for name in known)
    ]:
        raise ConfigError("unknown sources are configured", faults)

    def place(source: ImageSource) -> ImageSource:
        for pattern, one in wanted.items():
            if fnmatchcase(source.name, pattern):
                return _from(one, source.name)
        return source

    def placed(image: RenderedImage) -> RenderedImage:
        return replace(
            image,
            source=place(image.source) if image.source else None,
            plugins=tuple(map(place, image.plugins)),
            additions=tuple(map(place, image.additions)),
        )

    return {
        architecture: replace(
            tree, images={name: placed(image) for name, image in tree.images.items()}
        )
        for architecture, tree in trees.items()
    }


def _all(tree: RenderedTree) -> Iterator[ImageSource]:
    for image in tree.images.values():
        yield from image.sources


def _from(one: SourceOf, name: str) -> ImageSource:
    if one.path is not None:
        return ImageSource(name, "local", str(one.path), enabled=one.enabled)
    if one.git is not None:
        return ImageSource(name, "git", one.git, one.reference, enabled=one.enabled)
    if one.pypi is not None:
        return ImageSource(name, "pypi", one.pypi, enabled=one.enabled)
    return ImageSource(name, "url", one.url or "", sha256=one.sha256, enabled=one.enabled)


def fetch(source: ImageSource, *, before: float | None = None) -> Path | None:
    """A source's archive (a file) or checkout (a folder); None for one that is switched off.

    :param before: fetch again what was fetched before this moment (seconds since the epoch).
    :raises KollarmError: it can't be had, or isn't what its checksum says.
    """
    if not source.enabled:
        return None
    if source.kind == "local":
        path = Path(source.location)
        if not path.exists():
            raise KollarmError(
                f"the source of {source.name} isn't there: {path}",
                hint="correct it in build.sources, or in the overlay's kolla-build.conf",
            )
        return path
    name = f"{source.name}-{cache.digest({'at': source.location, 'ref': source.reference})}"
    make = {"git": _clone, "pypi": _from_pypi}.get(source.kind, _download)
    folder = cache.entry("source", name, partial(make, source), since=before or 0.0)
    return folder / (source.name if source.kind == "git" else "archive")


def _download(source: ImageSource, folder: Path) -> None:

    def check(path: Path) -> None:
        if (actual := cache.file_digest(path)) != source.sha256:
            raise KollarmError(
                f"{source.shown} has SHA256 {actual}, Kolla expects {source.sha256}",
                hint="the file was changed, or is damaged: don't use it",
            )

    with progress.current().step(f"fetch {source.shown}") as step:
        try:
            download.fetch(
                source.location,
                folder / "archive",
                check=check if source.sha256 else None,
                at_most=LARGEST,
                on_progress=step.note,
            )
        except download.DownloadError as error:
            raise KollarmError(
                f"the source of {source.name} can't be fetched: "
                f"{error.message.replace(source.location, source.shown)}",
                hint="check the network, or set another location for it",
                details=(error.details or "").replace(source.location, source.shown) or None,
            ) from None  # its text may hold a password


def _from_pypi(source: ImageSource, folder: Path) -> None:
    with progress.current().step(f"fetch {source.location}"):
        venv.download(source.location, folder, "source").rename(folder / "archive")


def _clone(source: ImageSource, folder: Path) -> None:
    target = folder / source.name
    check_address(source.location)
    reference = source.reference or "HEAD"
    check_reference(reference)
    git("clone", "--quiet", "--", source.location, target, timeout=1800)
    git("-C", target, "checkout", "--quiet", reference)
    git("-C", target, "remote", "remove", "origin")
