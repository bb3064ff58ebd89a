"""A VNC client with what the proof of a console needs: the screen, and keys.

The protocol is RFC 6143 (The Remote Framebuffer Protocol), version 3.8; pictures
are uncompressed. Of the libraries, vncdotool depends on Twisted and requires a TCP
port of its own; asyncvnc is under the GPL and cannot change the screen's size.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image

from core.errors import KollarmError
from guestprep.boot.screen import PIXELS

#: Encodings (RFC 6143, 7.7 and 7.8.2): uncompressed pixels, and the pseudo-encoding with
#: which a server announces a new size of its screen.
RAW, DESKTOP_SIZE = 0, -223

#: 32 bits a pixel, little endian: blue, green, red and one byte of nothing.
_PIXEL_FORMAT = struct.pack(">BBBBHHHBBB3x", 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)

#: Bytes of pixels that are read at once: a server's word about a picture's size is nothing that
#: memory is reserved for.
_STRIP = 1 << 20

#: Bytes of a text: a screen's name, a reason, a clipboard.
_TEXT = 1 << 16

#: Messages that may come before the screen is complete.
_MESSAGES = 1000


class RfbError(KollarmError):
    """The other side does not speak the protocol, or refuses."""


@dataclass(frozen=True)
class VncConnection:
    """The bytes to and from a VNC server."""

    read: Callable[[int], bytes]
    """Reads exactly that many bytes; raises RfbError if the connection has ended."""
    write: Callable[[bytes], None]
    """Sends bytes."""


class VncClient:
    """A session with a VNC server that asks for no password, as Nova's proxy does.

    :raises RfbError: the server refuses, or is not a VNC server.
    """

    def __init__(self, stream: VncConnection):
        self._stream = stream
        self._shake_hands()
        width, height = self._unpack(">HH")
        self._stream.read(16)  # the server's own pixel format
        self.name = self._text()
        self._screen = _blank(width, height)
        self._stream.write(b"\x00\x00\x00\x00" + _PIXEL_FORMAT)
        encodings = (RAW, DESKTOP_SIZE)
        self._stream.write(struct.pack(f">BxH{len(encodings)}i", 2, len(encodings), *encodings))

    def screen(self) -> Image.Image:
        """The whole current screen.

        :raises RfbError: the server sends other things instead, or ends.
        """
        for _ in range(_MESSAGES):
            width, height = self._screen.size
            # Not incremental: all of it, also what has not changed.
            self._stream.write(struct.pack(">BBHHHH", 3, 0, 0, 0, width, height))
            if self._update():
                return self._screen.copy()
        raise RfbError(f"the VNC server sent {_MESSAGES} messages without a whole screen")

    def press(self, *keys: int) -> None:
        """Press and release keys, one after the other.

        :param keys: X11 keysyms; for ASCII and Latin-1 that is the character's code.
        """
        for key in keys:
            for down in (1, 0):
                self._stream.write(struct.pack(">BBxxI", 4, down, key))

    def _shake_hands(self) -> None:
        greeting = self._stream.read(12)
        if not greeting.startswith(b"RFB 003."):
            raise RfbError(f"that is not a VNC server: it begins with {greeting!r}")
        self._stream.write(b"RFB 003.008\n")
        offered = self._stream.read(self._stream.read(1)[0])
        if not offered:
            raise RfbError(f"the VNC server refuses: {self._text()}")
        if 1 not in offered:
            raise RfbError(f"the VNC server requires authentication of type {list(offered)}")
        self._stream.write(b"\x01")
        (result,) = self._unpack(">I")
        if result:
            raise RfbError(f"the VNC server refuses: {self._text()}")
        self._stream.write(b"\x01")  # shared: other clients may stay connected

    def _update(self) -> bool:
        """Read one message; return whether it completed the screen."""
        (kind,) = self._stream.read(1)
        if kind == 0:
            return self._rectangles()
        if kind == 1:  # a colour map, which a true-colour format does not use
            count = self._unpack(">xHH")[1]
            self._stream.read(6 * count)
        elif kind == 3:  # text for the clipboard
            self._stream.read(3)
            self._text()
        elif kind != 2:  # 2 is the bell
            raise RfbError(f"the VNC server sent a message of the unknown type {kind}")
        return False

    def _rectangles(self) -> bool:
        covered = 0
        for _ in range(self._unpack(">xH")[0]):
            x, y, width, height, encoding = self._unpack(">HHHHi")
            if encoding == DESKTOP_SIZE:
                self._screen = _blank(width, height)
                covered = 0
            elif encoding == RAW:
                self._paste(x, y, width, height)
                covered += width * height
            else:
                raise RfbError(f"the VNC server sent the encoding {encoding} without a request")
        # After a new size, or a change meanwhile, the server may send less than all.
        return covered >= self._screen.width * self._screen.height

    def _paste(self, x: int, y: int, width: int, height: int) -> None:
        """Read a rectangle's pixels, and put them onto the screen."""
        if x + width > self._screen.width or y + height > self._screen.height:
            raise RfbError(
                f"the VNC server sent a picture of {width} × {height} at {x}, {y} for a screen of "
                f"{self._screen.width} × {self._screen.height}"
            )
        if width == 0:
            return
        rows = _STRIP // (4 * width)
        for top in range(0, height, rows):
            size = (width, min(rows, height - top))
            data = self._stream.read(4 * size[0] * size[1])
            self._screen.paste(Image.frombytes("RGB", size, data, "raw", "BGRX"), (x, y + top))

    def _unpack(self, layout: str) -> tuple[int, ...]:
        return struct.unpack(layout, self._stream.read(struct.calcsize(layout)))

    def _text(self) -> str:
        """A string after its length."""
        (length,) = self._unpack(">I")
        if length > _TEXT:
            raise RfbError(f"the VNC server sent a text of {length} bytes")
        return self._stream.read(length).decode("utf-8", "replace")


def _blank(width: int, height: int) -> Image.Image:
    """A black screen.

    :raises RfbError: it is larger than any console's.
    """
    if width * height > PIXELS:
        raise RfbError(f"the VNC server has a screen of {width} × {height}: no console is so large")
    return Image.new("RGB", (width, height))
