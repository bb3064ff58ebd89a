"""The whole road: container images, then guest images prepared, proven and published."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from builder import pipeline as building
from builder.record import Record as BuildRecord
from guestprep import publish
from guestprep.publish.cloud import Glance
from guestprep.record import Record as PreparedRecord
from guestprep.source.find import locate
from kollarm import boots, guests, progress
from kollarm.config.model import Config, Guest
from kollarm.errors import KollarmError
from kollarm.services.registry import start_registry


@dataclass(frozen=True)
class GuestRecord:
    """What became of one guest image; ``before`` and ``after`` are its boots."""

    name: str
    prepared: PreparedRecord
    before: boots.Proof | None
    after: boots.Proof | None
    published: publish.PublishRecord

    def to_json(self) -> dict[str, object]:
        return {
            "name": self.name,
            "prepared": self.prepared.to_data(),
            "before": self.before.to_json() if self.before else None,
            "after": self.after.to_json() if self.after else None,
            "published": self.published.to_json(),
        }


@dataclass(frozen=True)
class RoadRecord:
    """What became of everything in the configuration."""

    build: BuildRecord
    guests: tuple[GuestRecord, ...]
    seconds: float

    def to_json(self) -> dict[str, object]:
        return {
            "build": self.build.to_json(),
            "guests": [guest.to_json() for guest in self.guests],
            "seconds": round(self.seconds, 3),
        }


def travel(config: Config, folder: Path) -> RoadRecord:
    """Build, prepare, prove and publish all that the configuration names.

    The cloud is asked first: that it can't be reached is said before an hour of
    building, not after it.

    :param folder: of the configuration file.
    :raises KollarmError: something failed; what was complete by then stays.
    """
    started = time.monotonic()
    start_registry(config)
    connection = None
    if config.guests:
        with progress.current().step("reach the cloud"):
            connection = guests.cloud(config)
            Glance(connection).import_methods()
    with progress.current().step("container images"):
        built = building.build(config, project_dir=folder)
        built.raise_for_failures()
    done = tuple(_guest(config, guest, connection) for guest in config.guests)
    return RoadRecord(built, done, time.monotonic() - started)


def _guest(config: Config, guest: Guest, connection: object) -> GuestRecord:
    result = guests.output(config, guest)
    with progress.current().step(f"guest {guest.name}"):
        prepared = guests.prepare(config, guest, result)
        before = after = None
        if guest.boot == "both":
            source, _ = locate(guest.source)
            with progress.current().step("boot the source, as it was published"):
                before = boots.prove(
                    source, result.parent, f"{guest.name}-before", guest.boot_timeout
                )
        if guest.boot != "none":
            with progress.current().step("boot the prepared image"):
                after = boots.prove(
                    result, result.parent, f"{guest.name}-after", guest.boot_timeout
                )
            if not after.report.passed:
                raise KollarmError(
                    f"{guest.name}: {after.report.summary}",
                    hint="it was not published; the screenshot shows what the console had",
                    details=f"screenshot: {after.screenshot}",
                )
        system = publish.bootable_system(result, prepared)
        wish = guests.wish(config, guest, result, system, prepared)
        published = publish.publish(connection, result, wish)
    return GuestRecord(guest.name, prepared, before, after, published)
