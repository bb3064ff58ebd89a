"""Text on its way to a person, without what a terminal would carry out.

Names and texts of guests, registries, clouds and overlays are somebody else's. A terminal takes
control characters in them for orders: to hide text, to write the clipboard, to change the title.
Whatever prints text for a person passes it through one of these functions. JSON needs neither:
it escapes such characters itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

#: Colors and emphasis (ECMA-48, SGR), which programs print for people.
_COLOR = re.compile(r"\x1b\[[0-9;:]*m")

#: What ends a line, to a terminal or to Python.
_LINE_END = re.compile(r"[\t ]*(?:\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029])[\t ]*")

#: C0 and C1 control characters, line separators, what changes the direction of writing
#: (UAX #9), and halves of surrogate pairs, as which Python decodes bytes that aren't text.
HARMFUL = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def printable(text: str) -> str:
    """A text of one or more lines, with each harmful character as its escape (``\\x1b``).

    Colors are left out.
    """
    return HARMFUL.sub(_escape, _COLOR.sub("", text).replace("\r\n", "\n"))


def one_line(text: str) -> str:
    """A text as :func:`printable` gives it, on one line: it can't pretend to be another line."""
    return printable(_LINE_END.sub(" ", _COLOR.sub("", text))).replace("\t", " ")


def joined_lines(texts: Iterable[str]) -> str:
    """Texts as lines below each other, each as :func:`one_line` gives it."""
    return "\n".join(map(one_line, texts))


def _escape(found: re.Match[str]) -> str:
    number = ord(found[0])
    if 0xDC80 <= number <= 0xDCFF:  # a byte that isn't text (PEP 383)
        number -= 0xDC00
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"
