"""A whole proof: create an instance, look at its screen, type, and delete it in any case."""

from __future__ import annotations

import time
from contextlib import closing
from typing import Any

from core import progress
from core.errors import KollarmError
from guestprep.boot.watch import BootWatch
from guestprep.publish.signature_names import SIGNATURE
from kollarm.console_proof import changes, serial, watch
from kollarm.console_proof.compute import Compute, InstanceFailed
from kollarm.console_proof.diagnose import PlacementFacts, after
from kollarm.console_proof.model import (
    ConsoleKind,
    Diagnosis,
    InstanceChange,
    ProofReport,
    ProofSpec,
    ProofStage,
)

#: The least number of seconds for the screen, and for the keyboard, after any earlier delay.
LEAST = 30.0


def prove(connection: Any, spec: ProofSpec) -> ProofReport:
    """Boot an instance of a published image and use its console as a person would.

    The instance is deleted in any case, also on an interruption; an instance that a killed
    run left is deleted first. A failed stage is in the report, not an exception.

    :param connection: of :func:`guestprep.publish.connect`.
    :raises ConfigError: the cloud has no such image, flavor or network.
    :raises KollarmError: the instance cannot be deleted, or a tool is missing.
    """
    compute = Compute(connection)
    run = _Run(compute, spec)
    with progress.current().step(f"prove {spec.image} in cloud {compute.cloud}") as step:
        failure: Diagnosis | None = None
        try:
            compute.sweep()
            run.go(step)
        except InstanceFailed as error:
            failure = error.diagnosis
        finally:
            if run.requested:
                _clean_up(compute)
        report = run.report(failure)
        step.note("passed" if report.passed else f"{failure.stage} failed" if failure else "")
    return report


def _clean_up(compute: Compute) -> None:
    try:
        compute.clean_up()
    except InstanceFailed as error:
        raise KollarmError(
            f"the instance of the proof cannot be deleted: {error.message}",
            hint="the next run tries again; or: openstack server delete kollarm-proof",
            details=error.details,
        ) from error


class _Run:
    """One proof that runs."""

    def __init__(self, compute: Compute, spec: ProofSpec):
        self._compute, self._spec = compute, spec
        self._seen = watch.ConsoleSighting(BootWatch(spec.timeout))
        self._architecture: str | None = None
        self._server: Any = None
        self._larger: Any = None  # the flavor to resize to
        self._server_id: str | None = None
        #: Whether an instance was requested.
        self.requested = False

    def go(self, step: progress.RunningStep) -> None:
        """Go through all stages.

        :raises InstanceFailed: a stage failed.
        """
        compute, spec = self._compute, self._spec
        started = lap = time.monotonic()
        step.note("requesting an instance")
        image = compute.image(spec.image)
        self._architecture = image.architecture
        flavor = compute.flavor(spec.flavor, image)
        if InstanceChange.RESIZE in spec.after:
            self._larger = changes.other_flavor(compute, spec.resize_to, flavor)
        place = PlacementFacts(
            image.architecture,
            compute.architectures(),
            spec.host,
            signed=SIGNATURE in (image.properties or {}),
        )
        self.requested = True
        self._server_id = compute.create(spec, image, flavor)
        limit = started + spec.timeout
        self._server = compute.wait_until_active(
            self._server_id, place, limit, lambda state: step.note(f"instance {state}")
        )
        lap = self._done(ProofStage.BUILD, lap)
        self._use_console(limit, lap, step)
        for change in spec.after:
            self._change(change, image, place, step)

    def _change(
        self, change: InstanceChange, image: Any, place: PlacementFacts, step: progress.RunningStep
    ) -> None:
        """Change the instance and prove its console again, within the time of a whole proof."""
        assert self._server_id is not None
        started, passed = time.monotonic(), dict(self._seen.seconds)
        limit = started + self._spec.timeout
        step.note(change)
        self._seen = watch.ConsoleSighting(BootWatch(self._spec.timeout))
        try:
            self._server = changes.carry_out(
                self._compute, self._server_id, change, image, self._larger, place, limit, step.note
            )
            self._use_console(limit, time.monotonic(), step)
        except InstanceFailed as error:
            raise InstanceFailed(after(change, error.diagnosis)) from error
        finally:
            self._seen.seconds = passed
        self._done(change.stage, started)

    def _use_console(self, limit: float, lap: float, step: progress.RunningStep) -> None:
        """See a login prompt and type at it."""
        compute, spec = self._compute, self._spec
        assert self._server_id is not None
        # The consoles have the rest of the time limit of the whole proof.
        self._seen.watch = BootWatch(max(LEAST, limit - time.monotonic()))
        if spec.console is ConsoleKind.SERIAL:
            with closing(serial.SerialView(compute, self._server_id)) as port:
                port.exchange()
                lap = self._done(ProofStage.PROXY, lap)
                serial.until_login(compute, self._server_id, port, self._seen, step.note)
                lap = self._done(ProofStage.SERIAL, lap)
                step.note("typing")
                serial.take_keys(port, max(limit, time.monotonic() + LEAST))
                self._done(ProofStage.KEYBOARD, lap)
            return
        with closing(watch.Console(compute, self._server_id)) as view:
            view.screen()
            lap = self._done(ProofStage.PROXY, lap)
            watch.until_login(
                compute, self._server_id, view, self._seen, spec.screenshot, step.note
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
        """The report of what was seen."""
        seen = self._seen
        return ProofReport(
            cloud=self._compute.cloud,
            image=self._spec.image,
            architecture=self._architecture,
            instance=self._server_id,
            host=self._server.compute_host if self._server else None,
            seconds=dict(seen.seconds),
            sightings=tuple(
                one
                for one in seen.watch.sightings
                if one.source == "serial" or self._spec.console is ConsoleKind.NOVNC
            ),
            screen=seen.watch.screen,
            serial=seen.watch.serial,
            screen_text=seen.screen_text,
            serial_tail=seen.serial_tail,
            screenshot=seen.screenshot,
            diagnosis=failure,
        )
