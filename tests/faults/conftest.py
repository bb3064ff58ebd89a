"""What the fault suite shares: how many moments, and the counts that are printed at the end.

``KOLLARM_FAULT_MOMENTS`` (30) is the number of moments at which each run is
ended by SIGKILL, and as many by SIGTERM; ``KOLLARM_FAULT_SEED`` repeats the
moments of an earlier run.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from pathlib import Path

import pytest

MOMENTS = int(os.environ.get("KOLLARM_FAULT_MOMENTS", "30"))
SEED = int(os.environ.get("KOLLARM_FAULT_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 31)

COUNTS: dict[str, Counter[str]] = {}


def count(subject: str, what: str, number: int = 1) -> None:
    """Add to a count that is printed when the suite ends."""
    COUNTS.setdefault(subject, Counter())[what] += number


@pytest.fixture
def dice(request: pytest.FixtureRequest) -> random.Random:
    """Chance that can be repeated, of each test's own."""
    return random.Random(f"{SEED} {request.node.name}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.faults)
            item.add_marker(pytest.mark.timeout(4 * 3600))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not COUNTS:
        return
    terminalreporter.section(f"faults (KOLLARM_FAULT_SEED={SEED})")
    for subject, counter in COUNTS.items():
        told = ", ".join(f"{number} {what}" for what, number in counter.items())
        terminalreporter.write_line(f"{subject}: {told}")
