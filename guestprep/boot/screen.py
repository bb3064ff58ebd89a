"""Reading a machine's screen."""

from __future__ import annotations

import hashlib
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageOps

from core.errors import KollarmError
from core.files import atomic
from core.run import run

#: Seconds that recognising one screen may take.
TIME_LIMIT = 120.0

#: Pixels of the largest screen that is looked at (4096 × 2304): what a guest or a server may choose
#: beyond that would only use up this machine's memory.
PIXELS = 4096 * 2304

#: Pixels of a colour's brightness below which a pixel belongs to the background.
_DARK = 40


class ScreenReader:
    """Recognises screens' text, each different screen once."""

    def __init__(self) -> None:
        self._digest = ""
        self._text = ""

    def read(self, png: Path) -> str:
        """The text on a screen.

        :raises KollarmError: it is larger than any console's.
        """
        with opened(png) as picture:
            grey = picture.convert("L")
        digest = hashlib.sha256(grey.tobytes()).hexdigest()
        if digest != self._digest:
            self._digest, self._text = digest, recognise(grey)
        return self._text


def opened(png: Path) -> Image.Image:
    """A picture of a screen; its pixels are read when they are used.

    :raises KollarmError: it is larger than any console's, or not a picture.
    """
    try:
        picture = Image.open(png, formats=["PNG"])
    except (OSError, Image.DecompressionBombError) as error:
        raise KollarmError(f"the screen can't be read: {error}") from error
    if picture.width * picture.height > PIXELS:
        picture.close()
        raise KollarmError(f"the screen has {picture.width} × {picture.height} pixels: too many")
    return picture


def recognise(grey: Image.Image) -> str:
    """The text of a grey picture of a console, light on dark; empty when nothing is on it."""
    box = grey.point(lambda value: 255 if value > _DARK else 0).getbbox()
    if box is None:
        return ""
    # Dark on light, with a margin, twice the size: what tesseract was trained on is
    # print of about 30 pixels' height, and a console's font has 16.
    page = ImageOps.expand(ImageOps.invert(grey.crop(box)), border=20, fill=255)
    page = page.resize((page.width * 2, page.height * 2), Image.Resampling.LANCZOS)
    stream = BytesIO()
    page.save(stream, "PNG", compress_level=1)
    result = run(
        ["tesseract", "--psm", "6", "stdin", "stdout"],
        stdin=stream.getvalue(),
        # Its threads wait for each other more than they compute.
        env={"OMP_THREAD_LIMIT": "1"},
        timeout=TIME_LIMIT,
        hint="install tesseract-ocr",
    )
    return result.stdout


def save(png: Path, target: Path) -> None:
    """Keep a screenshot as *target*, which appears only when complete."""
    try:
        with opened(png) as picture, atomic(target) as work:
            picture.save(work, "PNG", optimize=True)
    except OSError as error:
        raise KollarmError(f"{target}: the screenshot can't be written: {error}") from error
