"""Whether typed keys change the screen, apart from a cursor that blinks."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from PIL import Image, ImageChops, ImageDraw

#: What is typed at the login prompt.
WORD = "kollarm"

#: The X11 keysyms of the keys that delete it, and that request a new prompt.
BACKSPACE, RETURN = 0xFF08, 0xFF0D

#: Pixels around a change of the screen by itself (a cursor) that do not count.
_MARGIN = 2

#: The least number of pixels that have to change: a few letters of the smallest font.
ENOUGH = 60

#: Seconds until a typed word appears, at most, on a busy emulated guest.
_ECHO = 15.0

#: Seconds of watching the screen before typing, in which a cursor blinks twice.
_STILL = 2.0


def typed(before: Sequence[Image.Image], after: Image.Image) -> bool:
    """Whether a screen differs from earlier ones in places that did not change between those.

    :param before: earlier screens, all of the same size.
    :param after: the screen after typing.
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
    """Type a word and see it appear, delete it and see it disappear.

    Other output meanwhile, such as a late message of the kernel, stays on the screen;
    then it is tried again.

    :param screen: returns the current screen.
    :param press: presses keys, given as X11 keysyms.
    :param limit: the time of :func:`time.monotonic` when it is given up.
    :param still: seconds of watching the screen first.
    """
    while not _tried(screen, press, limit, still):
        if time.monotonic() >= limit:
            return False
    return True


def _tried(
    screen: Callable[[], Image.Image], press: Callable[..., None], limit: float, still: float
) -> bool:
    before = [screen()]
    started = time.monotonic()
    while time.monotonic() < started + still:
        time.sleep(still / 8)
        before.append(screen())
    press(*map(ord, WORD))
    appeared = _within(lambda: typed(before, screen()), limit)
    press(*[BACKSPACE] * len(WORD))
    return appeared and _within(lambda: not typed(before, screen()), limit)


def _within(happens: Callable[[], bool], limit: float) -> bool:
    """Whether it happens within the time of an echo."""
    limit = min(limit, time.monotonic() + _ECHO)
    while True:
        if happens():
            return True
        if time.monotonic() >= limit:
            return False
        time.sleep(0.3)
