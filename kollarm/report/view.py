"""The contents of the report, taken from a run's record: plain data for the template."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from builder.record import BuildRecord, ImageRecord, IndexRecord
from core.config.model import Architecture
from core.progress import duration
from kollarm.report.graph import Graph, draw
from kollarm.run_images import ImagesRecord, RunPart, left_out

#: Lines of a diff beyond which it is cut.
LONGEST = 2000


@dataclass(frozen=True)
class DiffView:
    """A unified diff; each line with its kind (``add``, ``del``, ``hunk`` or empty)."""

    architectures: tuple[str, ...]
    lines: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class ImageView:
    """A container image."""

    name: str
    rows: tuple[ImageRecord, ...]
    """One for each architecture; times and logs are those of the run that built it."""
    unknown: bool
    """Whether it could not be compared with the image without overlays."""
    diffs: tuple[DiffView, ...]
    logs: tuple[tuple[str, str], ...]
    """Architectures, with links to their logs."""


@dataclass(frozen=True)
class RunFailure:
    """Why a run ended early."""

    message: str
    steps: tuple[str, ...] = ()
    """The steps that were under way, from the outermost."""
    hint: str | None = None
    lines: tuple[str, ...] = ()
    """The end of the output of what failed."""


@dataclass(frozen=True)
class RunView:
    """A run as a whole."""

    title: str
    facts: tuple[tuple[str, str], ...]
    left_out: tuple[str, ...]
    """The parts that it didn't do, in words."""
    failure: RunFailure | None


@dataclass(frozen=True)
class ContainersView:
    """The container images."""

    graph: Graph
    images: tuple[ImageView, ...]
    indices: tuple[IndexRecord, ...]
    left_out: tuple[str, ...]


def run_view(record: ImagesRecord, failure: RunFailure | None = None) -> RunView:
    """What is said about a run as a whole.

    :param failure: why it ended early; None if it did not.
    """
    build = record.build
    architectures = " and ".join(dict.fromkeys(str(row.architecture) for row in build.images))
    counts = {
        state: sum(row.state == state for row in build.images)
        for state in dict.fromkeys(row.state for row in build.images)
    }
    facts = [("release", build.release), ("registry", build.registry)]
    if RunPart.BUILD in record.parts:
        images = ", ".join(f"{count} {state}" for state, count in counts.items())
        facts.append(("images", images or "none"))
    facts += [("guests", str(len(record.guests))), ("time", duration(record.seconds))]
    suffix = f" for {architectures}" if architectures else ""
    return RunView(
        f"OpenStack {build.release}{suffix}", tuple(facts), tuple(left_out(record.parts)), failure
    )


def containers_view(
    build: BuildRecord,
    *,
    folder: Path,
    diff: Callable[[str, Architecture], str | None],
    earlier: Callable[[ImageRecord], ImageRecord] = lambda row: row,
) -> ContainersView:
    """What is shown of container images.

    :param folder: the folder of the page; links to logs are relative to it.
    :param diff: gives the unified diff of the overlays for an image's Dockerfile, by
        name and architecture; empty if they change nothing, None if it is not known.
    :param earlier: gives an image that was kept what is known of the run that built it.
    """
    names = dict.fromkeys(row.image for row in build.images)
    rows = [earlier(row) for row in build.images]
    return ContainersView(
        graph=draw(build.images),
        images=tuple(_image(rows, name, folder, diff) for name in names),
        indices=build.indices,
        left_out=build.left_out,
    )


def _image(
    rows: Sequence[ImageRecord],
    name: str,
    folder: Path,
    diff: Callable[[str, Architecture], str | None],
) -> ImageView:
    own = tuple(row for row in rows if row.image == name)
    texts: dict[str, list[str]] = {}
    unknown = False
    for row in own:
        text = diff(name, row.architecture)
        unknown |= text is None
        if text:
            texts.setdefault(text, []).append(str(row.architecture))
    return ImageView(
        name,
        own,
        unknown,
        tuple(
            DiffView(tuple(architectures), _lines(text)) for text, architectures in texts.items()
        ),
        tuple(
            (str(row.architecture), os.path.relpath(row.log, folder))
            for row in own
            if row.log is not None and row.log.exists()
        ),
    )


def _lines(text: str) -> tuple[tuple[str, str], ...]:
    kinds = {"+": "add", "-": "del", "@": "hunk"}
    lines = text.splitlines()
    shown = [
        ("" if line.startswith(("+++", "---")) else kinds.get(line[:1], ""), line)
        for line in lines[:LONGEST]
    ]
    if len(lines) > LONGEST:
        shown.append(("hunk", f"… {len(lines) - LONGEST} more lines"))
    return tuple(shown)
