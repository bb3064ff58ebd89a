"""When a fresh prompt is asked for."""

from __future__ import annotations

import pytest

from guestprep.boot.report import Sighting
from guestprep.boot.states import BootState
from kollarm.proof.watch import FRESH, wants_return

BOOTING = Sighting(5.0, "serial", BootState.BOOTING)
PROMPT = Sighting(50.0, "serial", BootState.LOGIN_PROMPT)


@pytest.mark.parametrize(
    ("sightings", "screen", "now", "asked", "wanted"),
    [
        ([BOOTING, PROMPT], BootState.BOOTING, 50 + FRESH, 0, True),
        ([BOOTING, PROMPT], BootState.UNKNOWN, 49 + FRESH, 0, False),
        ([BOOTING, PROMPT], BootState.BOOTING, 62, 60, False),
        ([BOOTING, PROMPT], BootState.BOOTING, 60 + FRESH, 60, True),
        # The screen has one, or shows nothing that a key could change.
        ([BOOTING, PROMPT], BootState.LOGIN_PROMPT, 99, 0, False),
        ([BOOTING, PROMPT], BootState.DISPLAY_NOT_ACTIVE, 99, 0, False),
        # No key before the system is up: the firmware and GRUB would take it.
        ([BOOTING], BootState.BOOTING, 99, 0, False),
        ([], BootState.UNKNOWN, 99, 0, False),
    ],
)
def test_a_fresh_prompt_is_asked_for_when_one_must_have_been_there(
    sightings: list[Sighting], screen: BootState, now: float, asked: float, wanted: bool
) -> None:
    assert wants_return(sightings, screen, now, asked) is wanted
