"""Fetching what images are built from: archives by URL, git checkouts, local files."""

from __future__ import annotations

from pathlib import Path

import requests

from builder.facts import Source
from kollarm import cache, progress
from kollarm.errors import KollarmError
from kollarm.run import run

#: Seconds to connect, and to wait for the next bytes.
TIMEOUT = (30.0, 120.0)
CHUNK = 1024 * 1024


def fetch(source: Source) -> Path | None:
    """A source's archive (a file) or checkout (a folder); None for one that is switched off.

    :raises KollarmError: it can't be had, or isn't what its checksum says.
    """
    if not source.enabled:
        return None
    if source.kind == "local":
        path = Path(source.location)
        if not path.exists():
            raise KollarmError(
                f"the source of {source.name} isn't there: {path}",
                hint="correct its location in the overlay's kolla-build.conf",
            )
        return path
    name = f"{source.name}-{cache.digest({'at': source.location, 'ref': source.reference})}"
    if source.kind == "git":
        return cache.entry("source", name, lambda folder: _clone(source, folder)) / source.name
    return cache.entry("source", name, lambda folder: _download(source, folder)) / "archive"


def _download(source: Source, folder: Path) -> None:
    target = folder / "archive"
    try:
        with (
            progress.current().step(f"fetch {source.location}"),
            requests.get(source.location, stream=True, timeout=TIMEOUT) as answer,
            target.open("wb") as stream,
        ):
            answer.raise_for_status()
            for chunk in answer.iter_content(CHUNK):
                stream.write(chunk)
    except requests.RequestException as error:
        raise KollarmError(
            f"the source of {source.name} can't be fetched: {error}",
            hint="check the network, or set another location for it",
        ) from error
    if source.sha256 and (found := cache.file_digest(target)) != source.sha256:
        raise KollarmError(
            f"{source.location} has SHA256 {found}, Kolla expects {source.sha256}",
            hint="the file was changed, or is damaged: don't use it",
        )


def _clone(source: Source, folder: Path) -> None:
    target = folder / source.name
    run(["git", "clone", "--quiet", source.location, target], timeout=1800)
    run(["git", "-C", target, "checkout", "--quiet", source.reference or "HEAD"])
    run(["git", "-C", target, "remote", "remove", "origin"])
