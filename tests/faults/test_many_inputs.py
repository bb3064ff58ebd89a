"""The parsers' fuzzing with many more inputs than in every test run."""

from __future__ import annotations

import os

import pytest

from tests.faults.counts import count
from tests.support.fuzz.attempt import attempts
from tests.support.fuzz.targets import TARGETS, Target

#: Inputs for each parser.
EXAMPLES = int(os.environ.get("KOLLARM_FAULT_EXAMPLES", "5000"))


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_every_input_is_read_or_refused(target: Target) -> None:
    tried, refused = attempts(target, EXAMPLES)
    count("hostile input", "parsers")
    count("hostile input", "inputs tried", tried)
    count("hostile input", "refused in words", refused)
