"""Damaged and random input for every parser: it is read or refused, and never crashes one.

`make test-faults` gives them many more inputs.
"""

from __future__ import annotations

import pytest

from tests.support.fuzz.attempt import attempts
from tests.support.fuzz.targets import TARGETS, Target

EXAMPLES = 30


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_every_input_is_read_or_refused(target: Target) -> None:
    tried, _ = attempts(target, EXAMPLES)
    assert tried >= EXAMPLES // 2


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_what_is_damaged_afterwards_is_valid_before(target: Target) -> None:
    for seed in target.seeds:
        target.run(seed)
