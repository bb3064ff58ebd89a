"""Checking everything that a configuration needs, the slow checks at the same time."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from core.config.model import Config
from kollarm.doctor import clock, engines, machine, services, space
from kollarm.doctor.model import DoctorFinding, DoctorReport

#: In the order in which their findings are shown.
CHECKS: tuple[Callable[[Config], Iterable[DoctorFinding]], ...] = (
    machine.programs,
    machine.keyrings,
    engines.engines,
    machine.appliance,
    machine.firmware,
    services.registry,
    services.cloud,
    space.space,
    clock.clock,
)


def examine(config: Config) -> DoctorReport:
    """Check everything that the configuration needs; change nothing."""
    with ThreadPoolExecutor(len(CHECKS)) as pool:
        findings = pool.map(lambda check: tuple(check(config)), CHECKS)
        return DoctorReport(tuple(itertools.chain.from_iterable(findings)))
