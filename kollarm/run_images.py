"""A full run: build container images, then prepare, prove and publish guest images."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from builder import pipeline
from builder.plan import BuildPlan
from builder.record import BuildRecord
from builder.request import BuildRequest
from core import progress
from core.config.model import Config, Guest
from core.errors import KollarmError
from core.progress import duration, size
from core.tables import table
from core.text_output import joined_lines, one_line
from guestprep import publish
from guestprep.plan.model import PreparationPlan
from guestprep.publish.cloud import Glance
from guestprep.record import PreparationRecord
from kollarm.guests import boots, prepare, selection
from kollarm.guests.cloud import cloud_for
from kollarm.services.registry import start_registry


@dataclass(frozen=True)
class GuestRecord:
    """What was done with one guest image."""

    name: str
    prepared: PreparationRecord
    before: boots.KeptBoot | None = None
    """The boot of the source; None if it was not booted."""
    after: boots.KeptBoot | None = None
    """The boot of the prepared image; None if it was not booted."""
    published: publish.PublishRecord | None = None
    """None if the run ended before that."""

    @property
    def state(self) -> str:
        return "kept" if self.prepared.kept else "prepared"

    def to_dict(self) -> dict[str, object]:
        return {
            "name": self.name,
            "prepared": self.prepared.to_dict(),
            "before": self.before.to_dict() if self.before else None,
            "after": self.after.to_dict() if self.after else None,
            "published": self.published.to_dict() if self.published else None,
        }

    @property
    def seconds(self) -> float:
        """The time that this run spent on preparing and booting."""
        fresh = [boot for boot in (self.before, self.after) if boot is not None and not boot.kept]
        preparing = 0.0 if self.prepared.kept else sum(self.prepared.seconds.values())
        return preparing + sum(boot.report.seconds for boot in fresh)


@dataclass(frozen=True)
class ImagesRecord:
    """What was done with everything in the configuration."""

    build: BuildRecord
    guests: tuple[GuestRecord, ...]
    seconds: float

    def to_dict(self) -> dict[str, object]:
        return {
            "build": self.build.to_dict(),
            "guests": [guest.to_dict() for guest in self.guests],
            "seconds": round(self.seconds, 3),
        }

    def to_text(self) -> str:
        """The record as tables."""
        text = [self.build.to_text()]
        if self.guests:
            text += [self._guests_table(), self._glance_table()]
        return "\n".join([*text, f"done in {duration(self.seconds)}"])

    def _guests_table(self) -> str:
        rows = [
            [
                guest.name,
                guest.state,
                size(guest.prepared.size),
                guest.before.report.state.value if guest.before else "",
                guest.after.report.state.value if guest.after else "",
                str(guest.after.screenshot) if guest.after else "",
                duration(guest.seconds) if guest.seconds else "",
            ]
            for guest in self.guests
        ]
        columns = "guest", "state", "size", "console before", "console after", "screenshot", "time"
        return table("Guest images", columns, rows)

    def _glance_table(self) -> str:
        rows = [
            [image.name, image.action.done, image.image_id, image.visibility, image.status]
            for guest in self.guests
            if (image := guest.published) is not None
        ]
        return table("Glance", ["image", "state", "id", "visibility", "status"], rows)


@dataclass(frozen=True)
class GuestPlan:
    """What a run would do with one guest image."""

    name: str
    preparation: PreparationPlan
    boot: str
    """Which images would be booted: none, result or both."""
    cloud: str
    """Where it would be published."""

    def to_dict(self) -> dict[str, object]:
        return {
            "name": self.name,
            "preparation": self.preparation.to_dict(),
            "boot": self.boot,
            "cloud": self.cloud,
        }

    def to_text(self) -> str:
        booted = {"none": "nothing", "result": "the result", "both": "the source and the result"}
        ending = joined_lines([f"   boot {booted[self.boot]}", f"   publish to {self.cloud}"])
        return f"{one_line(self.name)}: {self.preparation.to_text()}\n{ending}"


@dataclass(frozen=True)
class ImagesPlan:
    """What a run would do with everything in the configuration."""

    build: BuildPlan
    guests: tuple[GuestPlan, ...]

    def to_dict(self) -> dict[str, object]:
        return {
            "build": self.build.to_dict(),
            "guests": [guest.to_dict() for guest in self.guests],
        }

    def to_text(self) -> str:
        return "\n".join([self.build.to_text(), *(guest.to_text() for guest in self.guests)])


class PartialRun:
    """The records of a run that has not ended, or that ended early."""

    def __init__(self, config: Config):
        self.builds = [BuildRecord(config.release, config.registry.address, (), (), 0.0)]
        """Records of the build, of which the last one counts."""
        self.guests: dict[str, GuestRecord] = {}
        self._started = time.monotonic()

    def record(self) -> ImagesRecord:
        """What was done until now."""
        seconds = time.monotonic() - self._started
        return ImagesRecord(self.builds[-1], tuple(self.guests.values()), seconds)


def plan(config: Config) -> ImagesPlan:
    """What :func:`run` would do; nothing is written except to the cache.

    :raises KollarmError: an image's source can't be had or prepared, or the release not rendered.
    """
    start_registry(config)
    with progress.current().step("container images"):
        build = pipeline.plan(BuildRequest(config))
    cloud = "the embedded Glance" if config.cloud.embedded else config.cloud.name or "the cloud"
    guests = []
    for guest in config.guests:
        with progress.current().step(f"guest {guest.name}"):
            guests.append(GuestPlan(guest.name, prepare.plan(guest), guest.boot, cloud))
    return ImagesPlan(build, tuple(guests))


def run(config: Config, partial: PartialRun) -> ImagesRecord:
    """Build, prepare, prove and publish everything in the configuration.

    The cloud is asked first: that it can't be reached should be known before an hour of
    building, not after it.

    :param partial: receives the record of each thing that is done.
    :raises KollarmError: something failed; what was complete by then stays.
    """
    start_registry(config)
    connection = None
    if config.guests:
        with progress.current().step("reach the cloud"):
            connection = cloud_for(config)
            Glance(connection).import_methods()
    with progress.current().step("container images"):
        keep = partial.builds.append
        keep(pipeline.build(BuildRequest(config), on_interrupt=keep))
        partial.builds[-1].raise_for_failures()
    for guest in config.guests:
        with progress.current().step(f"guest {guest.name}"):
            for record in _guest(config, guest, connection):
                partial.guests[guest.name] = record
    return partial.record()


def _guest(config: Config, guest: Guest, connection: Any) -> Iterator[GuestRecord]:
    """Prepare, prove and publish a guest; yield its record after each of them."""
    image = selection.output(config, guest)
    prepared = prepare.prepare(config, guest, image)
    record = GuestRecord(guest.name, prepared)
    yield record
    if guest.boot == "both":
        with progress.current().step("boot the source, as it was published"):
            boot = boots.prove(
                Path(prepared.source),
                prepared.source_sha256,
                image.parent,
                f"{guest.name}-before",
                guest.boot_timeout,
            )
        record = replace(record, before=boot)
        yield record
    if guest.boot != "none":
        with progress.current().step("boot the prepared image"):
            boot = boots.prove(
                image, prepared.sha256, image.parent, f"{guest.name}-after", guest.boot_timeout
            )
        record = replace(record, after=boot)
        yield record
        if not boot.report.passed:
            raise KollarmError(
                f"{guest.name}: {boot.report.summary}",
                hint="it was not published; the screenshot shows its console",
                details=f"screenshot: {boot.screenshot}",
            )
    system = publish.bootable_system(image, prepared)
    spec = selection.publish_spec(config, guest, image, system, prepared)
    yield replace(record, published=publish.publish(connection, image, spec))
