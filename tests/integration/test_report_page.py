"""The report in a real browser: at a phone's and a desk's width, light and dark."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from PIL import Image

from kollarm.report.page import consoles, images, page
from kollarm.report.view import view
from tests.unit.report.records import consoles as proven
from tests.unit.report.records import diff, record

pytestmark = [pytest.mark.integration, pytest.mark.full]

#: The page's ground, as its style sheet has it; 0 and 1 are Blink's names for the schemes.
SCHEMES = {"dark": (0, (0x14, 0x17, 0x1B)), "light": (1, (0xF6, 0xF7, 0xF9))}


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_page_is_shown_without_complaint_and_fits(
    tmp_path: Path, width: int, scheme: str
) -> None:
    number, ground = SCHEMES[scheme]
    shown = view(record(tmp_path), when="today", cloud="mycloud", folder=tmp_path, diff=diff)
    html, picture = tmp_path / "report.html", tmp_path / "screen.png"
    html.write_text(page([images(shown), consoles(proven(), "today")]))
    browser = subprocess.run(
        [
            "chromium",
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            "--enable-logging=stderr",
            f"--user-data-dir={tmp_path / 'profile'}",
            f"--blink-settings=preferredColorScheme={number}",
            f"--window-size={width},3600",
            f"--screenshot={picture}",
            html.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert "CONSOLE" not in browser.stderr
    with Image.open(picture) as opened:
        seen = opened.convert("RGB")
    assert seen.size == (width, 3600)
    # What doesn't fit would reach into the page's margin.
    margin = {seen.getpixel((width - 4, y)) for y in range(seen.height)}
    assert margin == {ground}
    colors = seen.getcolors(1 << 24)
    assert colors is not None and len(colors) > 100
