"""The report in a real browser: at a phone's and a desk's width, light and dark."""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from kollarm.report.page import page
from tests.support import cron_images, report_records
from tests.support.commands import interrupted, kollarm
from tests.support.html import Document
from tests.support.registries import RunningRegistry

pytestmark = [pytest.mark.integration, pytest.mark.full]

#: The page's ground, as its style sheet has it; 0 and 1 are Blink's names for the schemes.
SCHEMES = {"dark": (0, (0x14, 0x17, 0x1B)), "light": (1, (0xF6, 0xF7, 0xF9))}


WIDTHS = (390, 1280)


def seen(html: Path, folder: Path, width: int, scheme: str) -> Image.Image:
    """A page as headless Chromium shows it; nothing in it sticks out, and nothing complains."""
    number, ground = SCHEMES[scheme]
    picture = folder / f"{width}-{scheme}.png"
    browser = subprocess.run(
        [
            "chromium",
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            "--enable-logging=stderr",
            f"--user-data-dir={folder / 'profile'}",
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
        shown = opened.convert("RGB")
    assert shown.size == (width, 3600)
    # What doesn't fit would reach into the page's margin.
    assert {shown.getpixel((width - 4, y)) for y in range(shown.height)} == {ground}
    colors = shown.getcolors(1 << 24)
    assert colors is not None and len(colors) > 100
    return shown


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_page_is_shown_without_complaint_and_fits(
    tmp_path: Path, width: int, scheme: str
) -> None:
    html = tmp_path / "report.html"
    html.write_text(page(report_records.parts(tmp_path)))
    seen(html, tmp_path, width, scheme)


def test_the_page_is_printed_on_white_with_its_lists(tmp_path: Path) -> None:
    html, pdf = tmp_path / "report.html", tmp_path / "report.pdf"
    html.write_text(page(report_records.parts(tmp_path)))
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu",
               f"--user-data-dir={tmp_path / 'profile'}",
               "--blink-settings=preferredColorScheme=0",  # dark on the screen
               f"--print-to-pdf={pdf}", html.as_uri()]  # fmt: skip
    subprocess.run(command, capture_output=True, timeout=120, check=True)
    subprocess.run(["pdftoppm", "-r", "40", "-png", pdf, tmp_path / "print"], check=True)
    for sheet in tmp_path.glob("print-*.png"):
        with Image.open(sheet) as opened:
            colors = opened.convert("RGB").getcolors(1 << 24)
        assert colors is not None and max(colors)[1] == (255, 255, 255)
    text = subprocess.run(
        ["pdftotext", pdf, "-"], capture_output=True, text=True, check=True
    ).stdout
    assert "install linux-modules-extra" in text and "the initramfs has virtio_gpu" in text
    assert "RUN new" not in text, "differences may have thousands of lines"


@pytest.fixture
def failing(tmp_path: Path) -> Iterator[Path]:
    """A configuration whose second image can't be built."""
    registry = RunningRegistry(tmp_path / "registry")
    cron_images.step(tmp_path, "echo 'the disk of the <build> is full' >&2; exit 7")
    yield cron_images.write(tmp_path, registry.address)
    registry.stop()


def text_of(html: Path) -> str:
    return Document(html.read_text()).text


def test_a_run_that_fails_or_is_interrupted_leaves_a_page_too(
    failing: Path, tmp_path: Path
) -> None:
    failed = kollarm("images", "--config", failing)
    html = tmp_path / ".kollarm" / "report.html"
    assert failed.status == 1
    assert f"the report: {html}" in failed.stderr
    text = text_of(html)
    for words in (
        "1 of 2 images",
        "in: container images",
        "the disk of the <build> is full",
        "the whole log:",
        "x86_64 · failed",
        "Below is what was done",
    ):
        assert words in text, words
    assert "\x1b" not in text
    assert "kolla/base:2026.1" in text and "written" in text
    for width in WIDTHS:
        seen(html, tmp_path, width, "light")

    cron_images.step(tmp_path, f"echo {uuid.uuid4().hex} && sleep 600")
    broken_off = interrupted("cron (x86_64) …", "images", "--config", failing)
    assert broken_off.status == 130
    text = text_of(html)
    assert "interrupted" in text
    assert "the next run continues" in text
    assert "base" in text and "kept" in text

    cron_images.step(tmp_path, f"echo {uuid.uuid4().hex}")
    assert kollarm("build", "--config", failing).status == 0
    assert kollarm("images", "--config", failing).status == 0
    assert "built by an earlier run on 20" in text_of(html)
