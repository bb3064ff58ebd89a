"""Suggestions for a name that doesn't exist."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

#: What is less alike than the nearest by more than this isn't worth naming beside it.
MARGIN = 0.08

#: How many known names are listed when none is near.
LISTED = 12


def did_you_mean(name: str, known: Iterable[str], *, alike: float = 0.6) -> str | None:
    """A hint that names the nearest, at most three; None when nothing is near.

    :param alike: how alike a name has to be, from 0 to 1 (difflib's ratio).
    """
    near = difflib.get_close_matches(name, sorted(known), 3, alike)

    def ratio(candidate: str) -> float:
        return difflib.SequenceMatcher(None, name, candidate).ratio()

    near = [candidate for candidate in near if ratio(candidate) > ratio(near[0]) - MARGIN]
    return f"did you mean {' or '.join(map(repr, near))}?" if near else None


def nearest_or_known(name: str, known: Iterable[str]) -> str | None:
    """A hint that names the nearest, else what is known; None when nothing is."""
    names = sorted(known)
    more = ", …" if len(names) > LISTED else ""
    listed = f"known: {', '.join(names[:LISTED])}{more}" if names else None
    return did_you_mean(name, names) or listed
