"""The whole road: container images, then guest images prepared, proven and published."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from builder import pipeline
from builder.record import BuildRecord
from core import progress
from core.config.model import Config, Guest
from core.errors import KollarmError
from guestprep import publish
from guestprep.publish.cloud import Glance
from guestprep.record import PreparationRecord
from guestprep.source.find import locate
from kollarm.guests import boots, prepare, selection
from kollarm.guests.cloud import cloud_for
from kollarm.services.registry import start_registry


@dataclass(frozen=True)
class GuestRecord:
    """What became of one guest image; ``before`` and ``after`` are its boots."""

    name: str
    prepared: PreparationRecord
    before: boots.KeptBoot | None
    after: boots.KeptBoot | None
    published: publish.PublishRecord | None
    """None where the run ended before that."""

    def to_dict(self) -> dict[str, object]:
        return {
            "name": self.name,
            "prepared": self.prepared.to_dict(),
            "before": self.before.to_dict() if self.before else None,
            "after": self.after.to_dict() if self.after else None,
            "published": self.published.to_dict() if self.published else None,
        }


@dataclass(frozen=True)
class ImagesRecord:
    """What became of everything in the configuration."""

    build: BuildRecord
    guests: tuple[GuestRecord, ...]
    seconds: float

    def to_dict(self) -> dict[str, object]:
        return {
            "build": self.build.to_dict(),
            "guests": [guest.to_dict() for guest in self.guests],
            "seconds": round(self.seconds, 3),
        }


class PartialRun:
    """What has been done so far on the road, also when it ends early."""

    def __init__(self, config: Config):
        self.build = BuildRecord(config.release, config.registry.address, (), (), 0.0)
        self.guests: dict[str, GuestRecord] = {}
        self._started = time.monotonic()

    def built(self, record: BuildRecord) -> None:
        """Take note of a build's end, or of its breaking off."""
        self.build = record

    def record(self) -> ImagesRecord:
        seconds = time.monotonic() - self._started
        return ImagesRecord(self.build, tuple(self.guests.values()), seconds)


def run(config: Config, folder: Path, journey: PartialRun) -> ImagesRecord:
    """Build, prepare, prove and publish all that the configuration names.

    The cloud is asked first: that it can't be reached is said before an hour of
    building, not after it.

    :param folder: of the configuration file.
    :param journey: is told of each thing that is done.
    :raises KollarmError: something failed; what was complete by then stays.
    """
    start_registry(config)
    connection = None
    if config.guests:
        with progress.current().step("reach the cloud"):
            connection = cloud_for(config)
            Glance(connection).import_methods()
    with progress.current().step("container images"):
        journey.built(pipeline.build(config, project_dir=folder, on_interrupt=journey.built))
        journey.build.raise_for_failures()
    for guest in config.guests:
        for state in _guest(config, guest, connection):
            journey.guests[guest.name] = state
    return journey.record()


def _guest(config: Config, guest: Guest, connection: object) -> Iterator[GuestRecord]:
    """Prepare, prove and publish a guest; what has become of it after each part."""
    result = selection.output(config, guest)
    with progress.current().step(f"guest {guest.name}"):
        prepared = prepare.prepare(config, guest, result)
        done = GuestRecord(guest.name, prepared, None, None, None)
        yield done
        if guest.boot == "both":
            source, _ = locate(guest.source)
            with progress.current().step("boot the source, as it was published"):
                before = boots.prove(
                    source, result.parent, f"{guest.name}-before", guest.boot_timeout
                )
            done = replace(done, before=before)
            yield done
        if guest.boot != "none":
            with progress.current().step("boot the prepared image"):
                after = boots.prove(
                    result, result.parent, f"{guest.name}-after", guest.boot_timeout
                )
            done = replace(done, after=after)
            yield done
            if not after.report.passed:
                raise KollarmError(
                    f"{guest.name}: {after.report.summary}",
                    hint="it was not published; the screenshot shows what the console had",
                    details=f"screenshot: {after.screenshot}",
                )
        system = publish.bootable_system(result, prepared)
        spec = selection.publish_spec(config, guest, result, system, prepared)
        yield replace(done, published=publish.publish(connection, result, spec))
