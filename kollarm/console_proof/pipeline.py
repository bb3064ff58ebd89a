"""A proof from end to end: an instance made, seen, typed into, and deleted whatever happens."""

from __future__ import annotations

import time
from typing import Any

from core import progress
from core.errors import KollarmError
from guestprep.boot.watch import BootWatch
from kollarm.console_proof import watch
from kollarm.console_proof.compute import Compute, InstanceFailed
from kollarm.console_proof.diagnose import PlacementFacts
from kollarm.console_proof.model import Diagnosis, ProofReport, ProofSpec, ProofStage

#: Seconds that the screen has, and then the keyboard, however long took what was before.
LEAST = 30.0


def prove(connection: Any, wish: ProofSpec) -> ProofReport:
    """Boot an instance of a published image and use its console as a person would.

    Whatever is made is deleted, also when this is interrupted; what a killed run left
    is deleted first. A stage that failed is told by the report, not raised.

    :param connection: of :func:`guestprep.publish.connect`.
    :raises ConfigError: the cloud has no such image, flavor or network.
    :raises KollarmError: the instance can't be deleted, or a tool is missing.
    """
    compute = Compute(connection)
    run = _Run(compute, wish)
    with progress.current().step(f"prove {wish.image} in cloud {compute.cloud}") as step:
        failure: Diagnosis | None = None
        try:
            compute.sweep()
            run.go(step)
        except InstanceFailed as error:
            failure = error.diagnosis
        finally:
            if run.asked:
                _clean_up(compute)
        report = run.report(failure)
        step.note("passed" if report.passed else f"{failure.stage} failed" if failure else "")
    return report


def _clean_up(compute: Compute) -> None:
    try:
        compute.clean_up()
    except InstanceFailed as error:
        raise KollarmError(
            f"the proof's instance can't be deleted: {error.message}",
            hint="the next run tries again; or: openstack server delete kollarm-proof",
            details=error.details,
        ) from error


class _Run:
    """One proof under way."""

    def __init__(self, compute: Compute, wish: ProofSpec):
        self._compute, self._wish = compute, wish
        self._seen = watch.ConsoleSighting(BootWatch(wish.timeout))
        self._architecture: str | None = None
        self._server: Any = None
        self._server_id: str | None = None
        #: Whether an instance was asked for.
        self.asked = False

    def go(self, step: progress.RunningStep) -> None:
        """All stages.

        :raises Failed: at the first one that fails.
        """
        compute, wish = self._compute, self._wish
        started = lap = time.monotonic()
        step.note("asking for an instance")
        image = compute.image(wish.image)
        self._architecture = image.architecture
        flavor = compute.flavor(wish.flavor, image)
        place = PlacementFacts(image.architecture, compute.architectures(), wish.host)
        self.asked = True
        self._server_id = compute.create(wish, image, flavor)
        limit = started + wish.timeout

        def note(text: str) -> None:
            step.note(f"instance {text}")

        self._server = compute.wait_until_active(self._server_id, place, limit, note)
        lap = self._done(ProofStage.BUILD, lap)
        # The limit is that of the whole; what is left of it is the consoles'.
        self._seen.watch = BootWatch(max(LEAST, limit - time.monotonic()))
        with watch.console(compute, self._server_id) as view:
            view.screen()
            lap = self._done(ProofStage.PROXY, lap)
            watch.until_login(
                compute, self._server_id, view, self._seen, wish.screenshot, step.note
            )
            lap = self._done(ProofStage.SCREEN, lap)
            step.note("typing")
            watch.take_keys(view, max(limit, time.monotonic() + LEAST))
            self._done(ProofStage.KEYBOARD, lap)

    def _done(self, stage: ProofStage, since: float) -> float:
        now = time.monotonic()
        self._seen.seconds[stage] = round(now - since, 1)
        return now

    def report(self, failure: Diagnosis | None) -> ProofReport:
        """What was seen."""
        seen = self._seen
        return ProofReport(
            cloud=self._compute.cloud,
            image=self._wish.image,
            architecture=self._architecture,
            instance=self._server_id,
            host=self._server.compute_host if self._server else None,
            seconds=dict(seen.seconds),
            sightings=tuple(seen.watch.sightings),
            screen=seen.watch.screen,
            serial=seen.watch.serial,
            screen_text=seen.screen_text,
            serial_tail=seen.serial_tail,
            screenshot=seen.screenshot,
            diagnosis=failure,
        )
