"""The key of an image: a digest over everything it is built from.

It is kept as a label of the image, so that the registry itself shows, on any
machine, which images are up to date.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType

from builder.context import dockerfile
from builder.facts import ImageSource, RenderedImage
from core.cache import file_digest, full_digest
from core.config.model import Architecture

#: Raised when the same inputs give another image.
RECIPE = 1


def image_key(
    image: RenderedImage,
    text: str,
    parent_key: str,
    architecture: Architecture,
    build_args: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """The key of an image, 64 hexadecimal digits.

    :param text: the Dockerfile as it will be built; which parent its FROM
        names doesn't matter, only that parent's key.
    :param build_args: values of its ``ARG`` instructions.
    :param parent_key: of the Kolla image it starts from, or the base image's identity.
    """
    return full_digest(
        {
            "recipe": RECIPE,
            "architecture": architecture,
            "dockerfile": dockerfile.essence(dockerfile.with_parent(text, "parent")),
            "context": context_digests(image.context),
            "sources": [
                source_identity(source)
                for source in (image.source, *image.plugins, *image.additions)
                if source is not None
            ],
            "parent": parent_key,
            "build_args": dict(build_args),
        }
    )


def context_digests(folder: Path) -> dict[str, str]:
    """For each file of a build context (but its Dockerfile): its mode and content, as one word."""
    found: dict[str, str] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            found[name] = f"link {path.readlink()}"
        elif path.is_file() and name != "Dockerfile":
            executable = "x" if path.stat().st_mode & 0o100 else "-"
            found[name] = f"{executable} {file_digest(path)}"
    return found


def source_identity(source: ImageSource) -> dict[str, object]:
    """The identity of a source, without fetching it.

    A local file or folder is its content.  An archive by URL or a git branch is
    its name: that it has moved on is found by asking for a refresh, not by
    fetching every source on every run.  A disabled source is the same wherever
    it would come from.
    """
    if not source.enabled:
        return {"name": source.name, "enabled": False}
    identity: dict[str, object] = asdict(source)
    path = Path(source.location)
    if source.kind == "local" and path.exists():
        identity["location"] = path.name
        identity["content"] = content(path)
    return identity


def content(path: Path) -> object:
    """The identity of what a local file, or all of a folder, holds."""
    return file_digest(path) if path.is_file() else context_digests(path)


def base_key(base: Mapping[str, object]) -> str:
    """The identity of the source of ``base``."""
    return full_digest({"recipe": RECIPE, **base})
