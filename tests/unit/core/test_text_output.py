"""Whatever a text holds: no control character reaches a terminal."""

from __future__ import annotations

import io
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from core.errors import Fault
from core.progress import Progress
from core.tables import table
from core.text_output import joined_lines, one_line, printable

#: Text with more of what does harm than chance would bring.
HOSTILE = st.lists(
    st.one_of(
        st.text(st.characters(exclude_categories=())),
        st.sampled_from([
            "\x1b]52;c;AAAA\x07", "\x1b[8m", "\x1b\x1b[0m[2J", "\x9b2J", "\x9d0;title\x9c", "\r",
            "\u202e", "\u2066", "\udcff", "\ud800", "\x7f", "\x85", "\u2028", "\n", "\nhint: x",
            "[bold]", "[/]", "\\[", "[link=http://x]", ":boom:",
        ]),
    )
).map("".join)  # fmt: skip


def harmless(text: str) -> bool:
    """Whether a terminal would only show a text, and any encoding can write it."""
    text.encode()
    kinds = {unicodedata.category(sign) for sign in text if sign not in "\n\t"}
    directions = {unicodedata.bidirectional(sign) for sign in text}
    return not kinds & {"Cc", "Cs", "Zl", "Zp"} and not directions & {
        "LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI",
    }  # fmt: skip


@given(HOSTILE)
def test_no_control_character_is_left(text: str) -> None:
    assert harmless(printable(text))
    assert harmless(one_line(text))
    assert len(one_line(text).splitlines()) <= 1
    assert len(joined_lines([text, text]).split("\n")) == 2


@given(st.text(st.characters(categories=["L", "N", "P", "S"])))
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert printable(f"{text}\n\t{text}") == f"{text}\n\t{text}"
    assert one_line(text) == text


@given(HOSTILE, st.booleans())
def test_the_progress_shows_any_text(text: str, terminal: bool) -> None:
    stream = io.StringIO()
    progress = Progress(
        Console(file=stream, color_system=None, force_terminal=terminal, soft_wrap=True)
    )
    progress.say(text)
    progress.warn(text)
    progress.show(text, "dim")
    assert harmless(stream.getvalue())


@given(HOSTILE)
def test_steps_show_any_name_on_one_line(text: str) -> None:
    stream = io.StringIO()
    progress = Progress(Console(file=stream, width=10_000))
    with progress.step(text) as step:
        step.note(text)
    assert harmless(stream.getvalue())
    assert len(stream.getvalue().splitlines()) == 2


def test_the_live_line_shows_brackets(capsys: pytest.CaptureFixture[str]) -> None:
    stream = io.StringIO()
    progress = Progress(Console(file=stream, force_terminal=True, width=100))
    with progress.step("a\\[/x] [bold]") as step:
        step.note("[/]")
        line = progress.live_line()
    assert line.plain.startswith("a\\[/x] [bold]: [/] (")


@given(HOSTILE)
def test_tables_show_any_cell_on_one_row(text: str) -> None:
    shown = table("title", ["one", "other"], [[text, "x"]])
    assert harmless(shown)


@pytest.mark.parametrize("cell", ["/srv/[work]/a.png", "/srv/a[/b]/c.png", "[fe80::1]:5000/x:1"])
def test_cells_with_brackets_are_shown_whole(cell: str) -> None:
    assert cell in table("title", ["name"], [[cell]])


@given(HOSTILE)
def test_a_fault_is_one_line(text: str) -> None:
    assert harmless(str(Fault(str(Path("a")), text, text)))
    assert len(str(Fault("a", text, text)).splitlines()) <= 1
