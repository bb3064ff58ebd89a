"""The fault suite's marker and fixtures, and its counts printed at the end."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.faults.counts import COUNTS, SEED


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
        counts = ", ".join(f"{number} {what}" for what, number in counter.items())
        terminalreporter.write_line(f"{subject}: {counts}")
