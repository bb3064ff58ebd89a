"""What the page shows, gathered from a run's record; plain data for the template."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from builder.record import ImageRecord, IndexRecord
from core.config.model import Architecture
from core.progress import duration, size
from guestprep.publish import PublishRecord
from kollarm.guests.boots import KeptBoot
from kollarm.report.graph import Graph, draw
from kollarm.run_images import GuestRecord, ImagesRecord

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
    """One for each architecture."""
    unknown: bool
    """Whether it couldn't be compared with the image without overlays."""
    diffs: tuple[DiffView, ...]
    logs: tuple[tuple[str, str], ...]
    """Architectures, with links to their logs."""


@dataclass(frozen=True)
class BootView:
    """A boot of a guest: its screenshot as a data URI."""

    title: str
    summary: str
    passed: bool
    picture: str


@dataclass(frozen=True)
class GuestView:
    """A guest image."""

    name: str
    state: str
    told: tuple[tuple[str, str], ...]
    boots: tuple[BootView, ...]
    steps: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]
    checks: tuple[tuple[bool, str], ...]
    published: tuple[tuple[str, str], ...]
    properties: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class RunFailure:
    """Why a run ended early."""

    message: str
    steps: tuple[str, ...] = ()
    """In which it was, from the outermost."""
    hint: str | None = None
    lines: tuple[str, ...] = ()
    """The end of what the failing part said."""


@dataclass(frozen=True)
class ReportView:
    """The whole page."""

    title: str
    subtitle: str
    facts: tuple[tuple[str, str], ...]
    graph: Graph
    images: tuple[ImageView, ...]
    indices: tuple[IndexRecord, ...]
    left_out: tuple[str, ...]
    guests: tuple[GuestView, ...]
    cloud: str
    failure: RunFailure | None


def view(
    record: ImagesRecord,
    *,
    when: str,
    cloud: str,
    folder: Path,
    diff: Callable[[str, Architecture], str | None],
    failure: RunFailure | None = None,
) -> ReportView:
    """Gather what the page shows.

    :param when: the run's time, for a person.
    :param cloud: what the cloud is called.
    :param folder: of the page; links to logs are relative to it.
    :param diff: the unified diff of an image's Dockerfile through the overlays, by
        name and architecture; empty where they change nothing, None where that
        isn't known.
    :param failure: why the run ended early; None when it didn't.
    """
    build = record.build
    names = list(dict.fromkeys(row.image for row in build.images))
    counts = {
        state: sum(row.state == state for row in build.images)
        for state in dict.fromkeys(row.state for row in build.images)
    }
    facts = [
        ("release", build.release),
        ("registry", build.registry),
        ("images", ", ".join(f"{count} {state}" for state, count in counts.items()) or "none"),
        ("guests", str(len(record.guests))),
        ("time", duration(record.seconds)),
    ]
    return ReportView(
        title=f"OpenStack {build.release} for {_listed(build.images)}",
        subtitle=when,
        facts=tuple(facts),
        graph=draw(build.images),
        images=tuple(_image(build.images, name, folder, diff) for name in names),
        indices=build.indices,
        left_out=build.left_out,
        guests=tuple(_guest(guest) for guest in record.guests),
        cloud=cloud,
        failure=failure,
    )


def _listed(rows: Sequence[ImageRecord]) -> str:
    found = list(dict.fromkeys(str(row.architecture) for row in rows))
    return " and ".join(found) or "no architecture"


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


def _guest(guest: GuestRecord) -> GuestView:
    prepared, published = guest.prepared, guest.published
    told = [
        ("system", f"{prepared.distribution} {prepared.release}".strip()),
        ("image", f"{prepared.output} ({size(prepared.size)})"),
        ("SHA256", prepared.sha256),
        ("source", prepared.source),
    ]
    if not prepared.kept:
        told.append(("prepared in", duration(sum(prepared.seconds.values()))))
    return GuestView(
        name=guest.name,
        state="kept" if prepared.kept else "prepared",
        told=tuple(told),
        boots=tuple(
            _boot(title, proof)
            for title, proof in (("before", guest.before), ("after", guest.after))
            if proof is not None
        ),
        steps=tuple((step.title, step.reason) for step in prepared.plan.steps),
        warnings=prepared.plan.warnings,
        checks=tuple((check.good, check.claim) for check in prepared.checks),
        published=_published(published) if published else (),
        properties=tuple(sorted(published.properties.items())) if published else (),
    )


def _published(record: PublishRecord) -> tuple[tuple[str, str], ...]:
    return (
        ("state", record.action.done),
        ("id", record.image_id),
        ("status", record.status),
        ("visibility", record.visibility),
        ("size", size(record.size)),
        ("digest", record.digest),
    )


def _boot(title: str, proof: KeptBoot) -> BootView:
    picture = base64.b64encode(proof.screenshot.read_bytes()).decode()
    earlier = " — of an earlier boot of the same image" if proof.kept else ""
    return BootView(
        title,
        f"{proof.report.summary}{earlier}",
        proof.report.passed,
        f"data:image/png;base64,{picture}",
    )
