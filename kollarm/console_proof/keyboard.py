"""Whether a key that was typed changed the screen: more than a cursor that blinks."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from PIL import Image, ImageChops, ImageDraw

#: What is typed at the login prompt.
WORD = "kollarm"

#: X11's keysyms of the keys that take it back, and that ask for a fresh prompt.
BACKSPACE, RETURN = 0xFF08, 0xFF0D

#: Pixels around what changes by itself that don't count: a cursor's neighbourhood.
_MARGIN = 2

#: Pixels that have to change, at least: a few letters of the smallest console font.
ENOUGH = 60

#: Seconds that a typed word may take to appear, on an emulated guest that is busy.
_ECHO = 15.0

#: Seconds in which a screen is watched before typing: a cursor blinks twice in that time.
_STILL = 2.0


def typed(before: Sequence[Image.Image], after: Image.Image) -> bool:
    """Whether *after* differs from the screens *before* where those didn't differ among each other.

    :param before: screens of the same size, in time.
    """
    first, *rest = before
    if after.size != first.size:
        return False
    change = (
        ImageChops.difference(first, after).convert("L").point(lambda value: 255 * (value > 24))
    )
    draw = ImageDraw.Draw(change)
    for other in rest:
        if box := ImageChops.difference(first, other).getbbox():
            left, top, right, bottom = box
            draw.rectangle(
                (left - _MARGIN, top - _MARGIN, right + _MARGIN, bottom + _MARGIN), fill=0
            )
    return change.histogram()[255] >= ENOUGH


def works(
    screen: Callable[[], Image.Image],
    press: Callable[..., None],
    limit: float,
    *,
    still: float = _STILL,
) -> bool:
    """Type a word and see it appear, take it back and see it go.

    What else is written on the screen meanwhile, such as a late message of the kernel's,
    stays there: then it is tried again.

    :param screen: gives the screen as it is now.
    :param press: presses keys, given as X11 keysyms.
    :param limit: a time of :func:`time.monotonic` at which it is given up.
    :param still: seconds to watch the screen first.
    """
    while not _tried(screen, press, limit, still):
        if time.monotonic() >= limit:
            return False
    return True


def _tried(
    screen: Callable[[], Image.Image], press: Callable[..., None], limit: float, still: float
) -> bool:
    before = [screen()]
    begun = time.monotonic()
    while time.monotonic() < begun + still:
        time.sleep(still / 8)
        before.append(screen())
    press(*map(ord, WORD))
    appeared = _within(lambda: typed(before, screen()), limit)
    press(*[BACKSPACE] * len(WORD))
    return appeared and _within(lambda: not typed(before, screen()), limit)


def _within(happens: Callable[[], bool], limit: float) -> bool:
    """Whether it happens in the time that an echo may take."""
    limit = min(limit, time.monotonic() + _ECHO)
    while True:
        if happens():
            return True
        if time.monotonic() >= limit:
            return False
        time.sleep(0.3)
