"""Giving a parser damaged and random input."""

from __future__ import annotations

import contextlib

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.fuzz.targets import Target

#: What tends to be taken for something else.
TRICKS = (b"", b"\0", b"-1", b"99999999999999999999", b"null", b"[]", b"{}", b'"', b"../",
          b"/etc/passwd", b"\xff\xfe", b"ffffffff", b"{%", b"'", b"\n\n")  # fmt: skip


@st.composite
def damaged(draw: st.DrawFn, seeds: tuple[bytes, ...]) -> bytes:
    """A valid input with pieces cut out, repeated, or replaced by other bytes."""
    data = draw(st.sampled_from(seeds))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(len(data), start + 24)))
        change = draw(st.one_of(st.binary(max_size=12), st.sampled_from(TRICKS)))
        data = data[:start] + change + data[end:]
    return data


def attempts(target: Target, examples: int) -> tuple[int, int]:
    """Try that many inputs; return how many were tried, and how many of them were refused.

    :raises Exception: one crashed the parser.
    """
    tried = refused = 0

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.one_of(damaged(target.seeds), st.binary(max_size=200)))
    def attempt(data: bytes) -> None:
        nonlocal tried, refused
        tried += 1
        refused += 1
        with contextlib.suppress(*target.refusals):
            target.run(data)
            refused -= 1

    attempt()
    return tried, refused
