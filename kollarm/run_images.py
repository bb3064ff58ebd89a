"""A full run: build container images, then prepare, prove and publish guest images."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from builder import pipeline
from builder.plan import BuildPlan
from builder.record import BuildRecord
from builder.request import BuildRequest
from core import progress, side_by_side
from core.config.model import Config, Guest
from core.errors import KollarmError
from core.progress import duration, size
from core.tables import table
from core.text_output import joined_lines, one_line
from guestprep import publish, record
from guestprep.plan.model import PreparationPlan
from guestprep.publish.cloud import Glance
from guestprep.record import PreparationRecord
from kollarm.guests import boots, prepare, selection
from kollarm.guests.cloud import clouds_for
from kollarm.guests.publishing import publish_spec
from kollarm.services.registry import start_registry


class RunPart(StrEnum):
    """A part of a full run."""

    BUILD = "build"
    """Build container images and push them."""
    GUESTS = "guests"
    """Prepare guest images and boot them."""
    PUBLISH = "publish"
    """Register guest images in Glance."""


EVERYTHING = tuple(RunPart)

_LEFT_OUT = {
    RunPart.BUILD: "left out: building container images",
    RunPart.GUESTS: "left out: preparing and booting guest images",
    RunPart.PUBLISH: "left out: publishing guest images",
}


def left_out(parts: Collection[RunPart]) -> list[str]:
    """What a run of these parts doesn't do, in words."""
    return [words for part, words in _LEFT_OUT.items() if part not in parts]


@dataclass(frozen=True)
class GuestRecord:
    """What was done with one guest image."""

    name: str
    prepared: PreparationRecord
    before: boots.KeptBoot | None = None
    """The boot of the source; None if it was not booted."""
    after: boots.KeptBoot | None = None
    """The boot of the prepared image; None if it was not booted."""
    published: tuple[publish.PublishRecord, ...] = ()
    """For each cloud that it is in; fewer if the run ended before that."""

    @property
    def state(self) -> str:
        return "kept" if self.prepared.kept else "prepared"

    def to_dict(self) -> dict[str, object]:
        return {
            "name": self.name,
            "prepared": self.prepared.to_dict(),
            "before": self.before.to_dict() if self.before else None,
            "after": self.after.to_dict() if self.after else None,
            "published": [image.to_dict() for image in self.published],
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
    """Without images where building was left out."""
    guests: tuple[GuestRecord, ...]
    seconds: float
    parts: tuple[RunPart, ...] = EVERYTHING

    def to_dict(self) -> dict[str, object]:
        return {
            "parts": list(self.parts),
            "build": self.build.to_dict(),
            "guests": [guest.to_dict() for guest in self.guests],
            "seconds": round(self.seconds, 3),
        }

    def to_text(self) -> str:
        """The record as tables."""
        text = [self.build.to_text()] if RunPart.BUILD in self.parts else []
        if self.guests:
            text += [self._guests_table()]
        if self.guests and RunPart.PUBLISH in self.parts:
            text += [self._glance_table()]
        return "\n".join([*text, *left_out(self.parts), f"done in {duration(self.seconds)}"])

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
            [image.name, image.cloud, image.action.done, image.image_id, image.visibility]
            for guest in self.guests
            for image in guest.published
        ]
        return table("Glance", ["image", "cloud", "state", "id", "visibility"], rows)


@dataclass(frozen=True)
class GuestPlan:
    """What a run would do with one guest image."""

    name: str
    preparation: PreparationPlan | None
    """None where preparing and booting are left out."""
    boot: str
    """Which images would be booted: none, result or both."""
    cloud: str | None
    """Where it would be published; None where that is left out."""

    def to_dict(self) -> dict[str, object]:
        return {
            "name": self.name,
            "preparation": self.preparation.to_dict() if self.preparation else None,
            "boot": self.boot if self.preparation else None,
            "cloud": self.cloud,
        }

    def to_text(self) -> str:
        booted = {"none": "nothing", "result": "the result", "both": "the source and the result"}
        steps = self.preparation.to_text() if self.preparation else "as it was prepared earlier"
        ending = [f"   boot {booted[self.boot]}"] if self.preparation else []
        ending += [f"   publish to {self.cloud}"] if self.cloud is not None else []
        return f"{one_line(self.name)}: {steps}\n{joined_lines(ending)}"


@dataclass(frozen=True)
class ImagesPlan:
    """What a run would do with everything in the configuration."""

    build: BuildPlan | None
    """None where building is left out."""
    guests: tuple[GuestPlan, ...]
    parts: tuple[RunPart, ...] = EVERYTHING

    def to_dict(self) -> dict[str, object]:
        return {
            "parts": list(self.parts),
            "build": self.build.to_dict() if self.build else None,
            "guests": [guest.to_dict() for guest in self.guests],
        }

    def to_text(self) -> str:
        text = [self.build.to_text()] if self.build else []
        text += [guest.to_text() for guest in self.guests]
        return "\n".join([*text, *left_out(self.parts)])


class PartialRun:
    """The records of a run that has not ended, or that ended early."""

    def __init__(self, config: Config, parts: Collection[RunPart] = EVERYTHING):
        self.parts = tuple(part for part in RunPart if part in parts)
        self._config = config
        self.builds = [BuildRecord(config.release, config.registry.address, (), (), 0.0)]
        """Records of the build, of which the last one counts."""
        self.guests: dict[str, GuestRecord] = {}
        self._started = time.monotonic()

    def record(self) -> ImagesRecord:
        """What was done until now."""
        seconds = time.monotonic() - self._started
        names = [guest.name for guest in self._config.guests]
        guests = tuple(self.guests[name] for name in names if name in self.guests)
        return ImagesRecord(self.builds[-1], guests, seconds, self.parts)


def _chosen_guests(config: Config, parts: Collection[RunPart]) -> list[Guest]:
    """The guests that a run of these parts is about.

    :raises ConfigError: only guests were asked for, and there are none.
    """
    if RunPart.BUILD not in parts:
        return selection.choose(config, ())
    return list(config.guests) if len(parts) > 1 else []


def plan(config: Config, parts: Collection[RunPart] = EVERYTHING) -> ImagesPlan:
    """What :func:`run` would do; nothing is written except to the cache.

    :raises KollarmError: an image's source can't be had or prepared, or the release not rendered.
    """
    guests, build = _chosen_guests(config, parts), None
    if RunPart.BUILD in parts:
        start_registry(config)
        with progress.current().step("container images"):
            build = pipeline.plan(BuildRequest(config))
    cloud = "the embedded Glance" if config.cloud.embedded else config.cloud.name or "the cloud"
    plans = []
    for guest in guests:
        with progress.current().step(f"guest {guest.name}"):
            plans.append(
                GuestPlan(
                    guest.name,
                    prepare.plan(guest) if RunPart.GUESTS in parts else None,
                    guest.boot,
                    cloud if RunPart.PUBLISH in parts else None,
                )
            )
    return ImagesPlan(build, tuple(plans), tuple(part for part in RunPart if part in parts))


def run(config: Config, partial: PartialRun) -> ImagesRecord:
    """Build, prepare, prove and publish everything in the configuration, or some of that.

    Guest images are prepared and booted while container images are built: each needs what the
    other leaves of the processors and the network.  The cloud is asked first: that it can't be
    reached should be known before an hour of building, not after it.

    :param partial: receives the record of each thing that is done; its parts are done.
    :raises KollarmError: something failed; what was complete by then stays.
    """
    guests, parts = _chosen_guests(config, partial.parts), partial.parts
    connections = []
    if guests and RunPart.PUBLISH in parts:
        with progress.current().step("reach the cloud"):
            connections = clouds_for(config)
            for connection in connections:
                Glance(connection).import_methods()
    to_prepare = guests if RunPart.GUESTS in parts else []
    with side_by_side.beside(lambda: _prove(config, to_prepare, partial)):
        if RunPart.BUILD in parts:
            _build(config, partial)
    for guest in guests:
        if RunPart.GUESTS not in parts:
            partial.guests[guest.name] = _proven_earlier(config, guest)
        _require_passed(guest, partial.guests[guest.name])
        if RunPart.PUBLISH in parts:
            with progress.current().step(f"guest {guest.name}"):
                for done in _publish(config, guest, partial.guests[guest.name], connections):
                    partial.guests[guest.name] = done
    return partial.record()


def _build(config: Config, partial: PartialRun) -> None:
    """Build the container images and push them."""
    start_registry(config)
    with progress.current().step("container images"):
        keep = partial.builds.append
        keep(pipeline.build(BuildRequest(config), on_interrupt=keep))
        partial.builds[-1].raise_for_failures()


def _prove(config: Config, guests: Sequence[Guest], partial: PartialRun) -> None:
    """Prepare the guests' images and boot them.

    :raises KollarmError: one can't be prepared or booted; said at once, as a build beside it may
        take an hour more, or fail as well.
    """

    def prepared(guest: Guest, made: PreparationRecord) -> None:
        partial.guests[guest.name] = GuestRecord(guest.name, made)

    try:
        chosen = [(guest, selection.output(config, guest)) for guest in guests]
        prepare.prepare_all(config, chosen, done=prepared)
        _boot_all(config, guests, partial)
    except KollarmError as error:
        progress.current().warn(f"guest images: {error}")
        raise


def _boot_all(config: Config, guests: Sequence[Guest], partial: PartialRun) -> None:
    """Boot what guests were made from and their prepared images, some at a time.

    :raises Exception: the reason why the first of them could not be booted.
    """

    def boot(item: tuple[Guest, bool]) -> None:
        guest, result = item
        prepared, made = partial.guests[guest.name].prepared, selection.output(config, guest)
        which, image = (
            ("prepared image", boots.of_result(guest, made, prepared))
            if result
            else ("source", boots.of_source(guest, made, prepared))
        )
        with progress.current().step(f"guest {guest.name}: boot the {which}"):
            seen = boots.prove(*image, guest.boot_timeout)
        with lock:
            done = partial.guests[guest.name]
            partial.guests[guest.name] = (
                replace(done, after=seen) if result else replace(done, before=seen)
            )

    lock = threading.Lock()
    wanted = [(guest, False) for guest in guests if guest.boot == "both"]
    wanted += [(guest, True) for guest in guests if guest.boot != "none"]
    for outcome in side_by_side.each(boot, wanted, prepare.jobs(len(wanted))):
        if isinstance(outcome, Exception):
            raise outcome


def _proven_earlier(config: Config, guest: Guest) -> GuestRecord:
    """The record of a guest that an earlier run prepared and proved.

    :raises KollarmError: there is none.
    """
    image = selection.output(config, guest)
    prepared = replace(record.read(image), kept=True)
    return GuestRecord(
        guest.name,
        prepared,
        boots.earlier(*boots.of_source(guest, image, prepared)),
        boots.earlier(*boots.of_result(guest, image, prepared)),
    )


def _require_passed(guest: Guest, done: GuestRecord) -> None:
    """:raises KollarmError: a guest's prepared image was not booted, or its boot failed."""
    if guest.boot == "none":
        return
    if done.after is None:
        raise KollarmError(
            f"{guest.name}: the prepared image was not booted",
            hint="run kollarm images --only guests first",
        )
    if not done.after.report.passed:
        raise KollarmError(
            f"{guest.name}: {done.after.report.summary}",
            hint="it was not published; the screenshot shows its console",
            details=f"screenshot: {done.after.screenshot}",
        )


def _publish(
    config: Config, guest: Guest, done: GuestRecord, connections: Sequence[Any]
) -> Iterator[GuestRecord]:
    """Publish a guest's image to each cloud; yield its record after each of them."""
    image = selection.output(config, guest)
    system = publish.bootable_system(image, done.prepared)
    spec = publish_spec(config, guest, image, system, done.prepared)
    for connection in connections:
        published = publish.publish(connection, image, spec)
        done = replace(done, published=(*done.published, published))
        yield done
