"""Looking at everything a configuration needs, the slow questions at the same time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from core.config.model import Config
from kollarm.doctor import clock, engines, machine, services, space
from kollarm.doctor.model import DoctorFinding, DoctorReport

#: In the order in which their findings are shown.
QUESTIONS: tuple[Callable[[Config], Iterable[DoctorFinding]], ...] = (
    machine.programs,
    engines.engines,
    machine.appliance,
    machine.firmware,
    services.registry,
    services.cloud,
    space.space,
    clock.clock,
)


def examine(config: Config) -> DoctorReport:
    """Look at everything that the configuration needs; nothing is changed by it."""
    with ThreadPoolExecutor(len(QUESTIONS)) as pool:
        asked = [pool.submit(lambda ask: tuple(ask(config)), question) for question in QUESTIONS]
        return DoctorReport(tuple(finding for one in asked for finding in one.result()))
