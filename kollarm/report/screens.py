"""Screens as they are shown: as much of one as something is on, in its own size."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageChops

#: Pixels around what is on a screen.
MARGIN = 16

#: How much of a screen may be left over for it to be shown whole, from 0 to 1.
NEARLY_ALL = 0.75

#: How much darker or lighter than the ground a pixel is that something is on, of 255.
CONTRAST = 24


@dataclass(frozen=True)
class ScreenView:
    """A screen."""

    shown: str
    """A data URI of the part that something is on, or of the whole."""
    width: int
    """Of the shown part, in pixels."""
    height: int
    whole: str | None
    """A data URI of the whole screen, where only a part is shown."""


def screen_view(screenshot: Path) -> ScreenView:
    """A screen in a PNG file.

    :raises OSError: it can't be read.
    """
    content = screenshot.read_bytes()
    with Image.open(io.BytesIO(content)) as opened:
        picture = opened.convert("RGB")
    box = used_part(picture)
    if box == (0, 0, *picture.size):
        return ScreenView(_uri(content), *picture.size, None)
    part = picture.crop(box)
    stream = io.BytesIO()
    part.save(stream, "PNG", optimize=True)
    return ScreenView(_uri(stream.getvalue()), *part.size, _uri(content))


def used_part(picture: Image.Image) -> tuple[int, int, int, int]:
    """The part of a screen that something is on: left, top, right and lower edge."""
    width, height = picture.size
    whole = (0, 0, width, height)
    gray = picture.convert("L")
    counts = gray.histogram()
    ground = counts.index(max(counts))
    other = ImageChops.difference(gray, Image.new("L", picture.size, ground))
    found = other.point(lambda value: 255 * (value > CONTRAST)).getbbox()
    if found is None:
        return whole
    left, top, right, lower = found
    box = (
        max(0, left - MARGIN),
        max(0, top - MARGIN),
        min(width, right + MARGIN),
        min(height, lower + MARGIN),
    )
    area = (box[2] - box[0]) * (box[3] - box[1])
    return whole if area >= NEARLY_ALL * width * height else box


def _uri(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()
