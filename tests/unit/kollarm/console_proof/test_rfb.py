"""The VNC client against a server's bytes as RFC 6143 has them."""

from __future__ import annotations

import contextlib
import struct
import subprocess
import sys
import tracemalloc
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guestprep.boot.screen import PIXELS
from kollarm.console_proof.rfb import DESKTOP_SIZE, RAW, RfbError, VncClient, VncConnection

HANDSHAKE = b"RFB 003.008\n" + b"\x01\x01" + b"\0\0\0\0"


class Server:
    """A server's answers, one after the other; what the client wrote is kept."""

    def __init__(self, *answers: bytes):
        self._answers = BytesIO(b"".join(answers))
        self.written = b""

    def read(self, count: int) -> bytes:
        data = self._answers.read(count)
        if len(data) < count:
            raise RfbError("closed")
        return data

    def write(self, data: bytes) -> None:
        self.written += data

    def client(self) -> VncClient:
        return VncClient(VncConnection(self.read, self.write))


def opening(width: int, height: int) -> bytes:
    return HANDSHAKE + struct.pack(">HH16xI", width, height, 4) + b"QEMU"


def update(*rectangles: bytes) -> bytes:
    return struct.pack(">BxH", 0, len(rectangles)) + b"".join(rectangles)


def pixels(x: int, y: int, width: int, height: int, colour: tuple[int, int, int]) -> bytes:
    red, green, blue = colour
    head = struct.pack(">HHHHi", x, y, width, height, RAW)
    return head + bytes([blue, green, red, 0]) * (width * height)


def test_the_screen_has_the_servers_colours() -> None:
    server = Server(
        opening(2, 1), update(pixels(0, 0, 1, 1, (255, 0, 0)), pixels(1, 0, 1, 1, (0, 0, 255)))
    )
    client = server.client()
    assert client.name == "QEMU"
    screen = client.screen()
    assert [screen.getpixel((x, 0)) for x in (0, 1)] == [(255, 0, 0), (0, 0, 255)]


def test_a_screen_that_changes_its_size_is_asked_for_again() -> None:
    resize = struct.pack(">HHHHi", 0, 0, 3, 2, DESKTOP_SIZE)
    server = Server(opening(1, 1), update(resize), update(pixels(0, 0, 3, 2, (1, 2, 3))))
    assert server.client().screen().size == (3, 2)
    # The last request is for the new size.
    assert server.written.endswith(struct.pack(">BBHHHH", 3, 0, 0, 0, 3, 2))


def test_bells_and_clipboards_are_passed_over() -> None:
    clipboard = struct.pack(">B3xI", 3, 2) + b"hi"
    server = Server(opening(1, 1), b"\x02", clipboard, update(pixels(0, 0, 1, 1, (9, 9, 9))))
    assert server.client().screen().getpixel((0, 0)) == (9, 9, 9)


def test_keys_go_down_and_up() -> None:
    server = Server(opening(1, 1))
    server.client().press(ord("k"), 0xFF08)
    assert server.written.endswith(
        struct.pack(">BBxxI", 4, 1, 0x6B)
        + struct.pack(">BBxxI", 4, 0, 0x6B)
        + struct.pack(">BBxxI", 4, 1, 0xFF08)
        + struct.pack(">BBxxI", 4, 0, 0xFF08)
    )


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"HTTP/1.1 200", "not a VNC server"),
        (b"RFB 003.008\n\x00" + struct.pack(">I", 4) + b"full", "refuses: full"),
        (b"RFB 003.008\n\x01\x02", "authentication"),
        (b"RFB 003.008\n\x01\x01" + struct.pack(">II", 1, 2) + b"no", "refuses: no"),
    ],
)
def test_a_server_that_refuses_is_quoted(answer: bytes, message: str) -> None:
    with pytest.raises(RfbError, match=message):
        Server(answer).client()


@given(st.binary(max_size=200))
def test_whatever_a_server_sends_ends_in_a_picture_or_an_error(data: bytes) -> None:
    server = Server(opening(2, 2), data)
    client = server.client()
    try:
        assert client.screen().size[0] >= 0
    except RfbError as error:
        assert str(error)


# -- servers that want to use up the machine -------------------------------------

#: Of a screen of the largest size that is looked at, and one copy of it: 4 bytes a pixel.
ENOUGH = 2 * 4 * PIXELS + (16 << 20)

HUGE = 65535


class Endless(Server):
    """A server that goes on with zeros after its answers, as much as is asked for."""

    def read(self, count: int) -> bytes:
        data = self._answers.read(count)
        return data + bytes(count - len(data))


def size(width: int, height: int) -> bytes:
    return struct.pack(">HHHHi", 0, 0, width, height, DESKTOP_SIZE)


def picture(x: int, y: int, width: int, height: int) -> bytes:
    return struct.pack(">HHHHi", x, y, width, height, RAW)


def rectangles(count: int, *heads: bytes) -> bytes:
    return struct.pack(">BxH", 0, count) + b"".join(heads)


def colours(count: int) -> bytes:
    return struct.pack(">BxHH", 1, 0, count) + bytes(6 * count)


HOSTILE = {
    "first size": [opening(HUGE, HUGE)],
    "first size, just too large": [opening(4096, 2305)],
    "new size": [opening(1, 1), update(size(HUGE, HUGE))],
    "picture": [opening(64, 64), update(picture(0, 0, HUGE, HUGE))],
    "wide picture": [opening(64, 64), update(picture(0, 0, HUGE, 1))],
    "picture beside the screen": [opening(64, 64), update(picture(HUGE, HUGE, 8, 8))],
    "picture across the edge": [opening(64, 64), update(picture(60, 0, 8, 8))],
    "name": [HANDSHAKE + struct.pack(">HH16xI", 1, 1, 0xFFFFFFFF)],
    "reason": [b"RFB 003.008\n\x00" + struct.pack(">I", 0x7FFFFFFF)],
    "reason after security": [b"RFB 003.008\n\x01\x01\0\0\0\x01" + struct.pack(">I", 1 << 30)],
    "clipboard": [opening(1, 1), struct.pack(">B3xI", 3, 0xFFFFFFFF)],
    "clipboard of a negative length": [opening(1, 1), struct.pack(">B3xi", 3, -5)],
    "encoding": [opening(1, 1), update(struct.pack(">HHHHi", 0, 0, HUGE, HUGE, 16))],
    "nothing but bells": [opening(1, 1), b"\x02" * 5000],
    "nothing but colours": [opening(1, 1), colours(HUGE) * 20],
    "only empty pictures": [opening(9, 9), rectangles(HUGE, *[picture(0, 0, 0, 0)] * HUGE) * 2],
}  # fmt: skip


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_server_takes_little_memory(kind: str) -> None:
    server = Endless(*HOSTILE[kind])
    tracemalloc.start()
    try:
        with pytest.raises(RfbError):
            server.client().screen()
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_the_largest_screen_takes_two_copies() -> None:
    """Measured in a process of its own, as pictures aren't in Python's own memory."""
    program = (
        "import resource, struct\n"
        "from tests.unit.kollarm.console_proof.test_rfb import Endless, opening, update, picture\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "server = Endless(opening(4096, 2304), update(picture(0, 0, 4096, 2304)))\n"
        "assert server.client().screen().size == (4096, 2304)\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert int(done.stdout) < ENOUGH


@given(data=st.binary(max_size=300))
def test_whatever_follows_a_handshake_ends_in_words(data: bytes) -> None:
    with contextlib.suppress(RfbError):
        Server(opening(16, 16), data).client().screen()
