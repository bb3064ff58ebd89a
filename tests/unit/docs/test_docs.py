"""The documentation speaks of what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from core.paths import project_dir
from kollarm.cli.main import cli

PAGES = sorted([*project_dir().glob("*.md"), *project_dir().glob("docs/*.md")])


def sources() -> str:
    """All of the program's text, its strings joined as Python joins them."""
    text = "".join(
        path.read_text()
        for package in ("core", "builder", "guestprep", "deploy", "kollarm")
        for path in (project_dir() / package).rglob("*.py")
    )
    return re.sub(r'"\s*\n\s*f?"', "", text)


def test_the_messages_of_troubleshooting_are_the_programs() -> None:
    page = (project_dir() / "docs" / "troubleshooting.md").read_text()
    known = sources()
    messages = [
        message
        for heading in re.findall(r"^### (.*)$", page, re.MULTILINE)
        for message in re.findall(r"`([^`]+)`", heading)
    ]
    assert len(messages) > 15
    of_the_system = {"No space left on device"}
    for message in messages:
        pieces = re.split(r" ?\b(?:[A-Z]{4,}|local)\b ?|[()]", message)
        for piece in pieces:
            if len(piece.strip()) > 3 and piece not in of_the_system:
                assert piece.strip(" ,") in known, f"{message!r}: {piece!r} is nowhere"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name}: {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_that_are_named_exist(page: Path) -> None:
    for command in re.findall(r"`kollarm ([a-z]+)", page.read_text()):
        assert command in cli.lazy, f"{page.name}: kollarm {command}"
