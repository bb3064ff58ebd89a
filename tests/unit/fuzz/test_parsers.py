"""Damaged and random input for every parser: it is read or refused, and never crashes one.

``KOLLARM_FUZZ_EXAMPLES`` says how many inputs each parser gets; `make test-faults`
gives them many more.
"""

from __future__ import annotations

import contextlib
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.fuzz.targets import TARGETS, Target

EXAMPLES = int(os.environ.get("KOLLARM_FUZZ_EXAMPLES", "30"))


@st.composite
def damaged(draw: st.DrawFn, seeds: tuple[bytes, ...]) -> bytes:
    """A valid input with pieces cut out, repeated, or replaced by other bytes."""
    data = draw(st.sampled_from(seeds))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(len(data), start + 24)))
        change = draw(
            st.one_of(
                st.binary(max_size=12),
                st.sampled_from(
                    [b"", b"\0", b"-1", b"99999999999999999999", b"null", b"[]", b"{}", b'"',
                     b"../", b"/etc/passwd", b"\xff\xfe", b"ffffffff", b"{%", b"'", b"\n\n"]
                ),
            )
        )  # fmt: skip
        data = data[:start] + change + data[end:]
    return data


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_every_input_is_read_or_refused(target: Target) -> None:
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.one_of(damaged(target.seeds), st.binary(max_size=200)))
    def attempt(data: bytes) -> None:
        with contextlib.suppress(*target.refusals):
            target.run(data)

    attempt()


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_what_is_damaged_afterwards_is_valid_before(target: Target) -> None:
    for seed in target.seeds:
        target.run(seed)
