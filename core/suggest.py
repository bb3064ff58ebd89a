"""What somebody may have meant by a name that doesn't exist."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

#: What is less alike than the nearest by more than this isn't worth naming beside it.
MARGIN = 0.08


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """A remedy that names what is nearest, at most three; None when nothing is near."""
    near = difflib.get_close_matches(name, sorted(known), 3)

    def alike(one: str) -> float:
        return difflib.SequenceMatcher(None, name, one).ratio()

    near = [one for one in near if alike(one) > alike(near[0]) - MARGIN]
    return f"did you mean {' or '.join(near)}?" if near else None
