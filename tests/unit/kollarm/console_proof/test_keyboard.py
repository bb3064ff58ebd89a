"""Whether a key changed the screen, told from pictures."""

from __future__ import annotations

import time
from collections.abc import Sequence

from PIL import Image, ImageDraw

from kollarm.console_proof import keyboard


def console(text: str, *, cursor: bool = False, below: str = "") -> Image.Image:
    """A console with a line of text and a cursor behind it."""
    screen = Image.new("RGB", (320, 100))
    draw = ImageDraw.Draw(screen)
    draw.text((8, 8), text, fill="lightgrey")
    draw.text((8, 40), below, fill="lightgrey")
    if cursor:
        left = 8 + draw.textlength(text)
        draw.rectangle((left, 20, left + 7, 22), fill="white")
    return screen


BLINKING = [console("login: ", cursor=flag) for flag in (False, True, False)]


def test_a_blinking_cursor_is_no_key() -> None:
    assert not keyboard.typed(BLINKING, console("login: ", cursor=True))
    assert not keyboard.typed(BLINKING, console("login: "))


def test_a_word_is_seen() -> None:
    assert keyboard.typed(BLINKING, console("login: kollarm", cursor=True))


def test_another_size_is_no_key() -> None:
    assert not keyboard.typed(BLINKING, Image.new("RGB", (640, 480), "white"))


class Guest:
    """A login prompt that echoes what is typed, or doesn't.

    :param messages: what is written below it, a line at each look from the fifth on.
    """

    def __init__(self, *, echo: bool, messages: Sequence[str] = ()):
        self.text, self.looks, self._echo = "", 0, echo
        self._messages = messages

    def screen(self) -> Image.Image:
        self.looks += 1
        below = "\n".join(self._messages[: max(0, self.looks - 5)])
        return console(f"login: {self.text}", cursor=self.looks % 2 == 0, below=below)

    def press(self, *keys: int) -> None:
        for key in keys if self._echo else ():
            self.text = self.text[:-1] if key == keyboard.BACKSPACE else self.text + chr(key)


def test_what_is_typed_is_seen_and_taken_back() -> None:
    guest = Guest(echo=True)
    assert keyboard.works(guest.screen, guest.press, time.monotonic() + 10, still=0.05)
    assert guest.text == ""


def test_messages_of_the_kernels_are_no_keys() -> None:
    messages = [f"[   17.{number}] a message" for number in range(3)]
    dead = Guest(echo=False, messages=messages)
    assert not keyboard.works(dead.screen, dead.press, time.monotonic() + 2, still=0)
    alive = Guest(echo=True, messages=messages)
    assert keyboard.works(alive.screen, alive.press, time.monotonic() + 10, still=0)


def test_a_dead_keyboard_is_found_out() -> None:
    guest = Guest(echo=False)
    assert not keyboard.works(guest.screen, guest.press, time.monotonic() + 0.6, still=0.05)
