"""The documentation names what exists: files, headings, commands, messages."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

from builder.reasons import BuildReason
from core.config.model import Guest
from core.paths import project_dir
from kollarm.cli.main import cli
from tests.layers import PRODUCT

PAGES = sorted([*project_dir().glob("*.md"), *project_dir().glob("docs/*.md")])

#: The pages that say where something is in the source.
MAPS = ("HACKING.md", "CONTRIBUTING.md", "docs/design.md", "docs/coding-style.md")


@cache
def sources() -> str:
    """All of the program's text, its strings joined as Python joins them."""
    text = "".join(
        path.read_text() for package in PRODUCT for path in (project_dir() / package).rglob("*.py")
    )
    return re.sub(r'"\s*\n\s*f?"', "", text)


@cache
def anchors(page: Path) -> frozenset[str]:
    """The names by which a page's headings can be linked to, as forges make them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return frozenset(re.sub(r"[^\w -]", "", text.lower()).replace(" ", "-") for text in headings)


def quoted(page: str, pattern: str) -> list[str]:
    """The messages in the first column of a page's table of errors."""
    text = (project_dir() / "docs" / page).read_text()
    table = text[text.index("## What the errors mean") :].split("\n\n")[1]
    return [
        message
        for row in table.splitlines()[2:]
        for message in re.findall(pattern, row.split(" | ")[0])
    ]


@pytest.mark.parametrize(
    ("page", "pattern"), [("deploy.md", r"`([^`]+)`"), ("publish.md", r"\*([^*]+)\*")]
)
def test_the_messages_of_a_page_are_the_programs(page: str, pattern: str) -> None:
    known = sources()
    messages = quoted(page, pattern)
    assert len(messages) > 15
    places = r"^(?:note: )?…?(?:deploy|registry)?\.?[\w.]*: |^stage genconfig: "
    of_others = {"No host NTP daemon is running", "No module named"}
    # dots, capitals and what is like this stand for what varies
    varies = r"…|\b[XNM]\b|'\w+'|\d+[\w.]*|x86_64|aarch64|==|, and "
    for message in messages:
        for piece in re.split(varies, re.sub(places, "", message)):
            text = piece.strip(" ,;:")
            if len(text) > 3 and text not in of_others:
                assert text in known, f"{message!r}: {text!r} is nowhere"


def test_the_reasons_of_a_build_are_the_programs() -> None:
    page = (project_dir() / "docs" / "releases.md").read_text()
    [example] = re.findall(
        r"^\$ kollarm build --dry-run\n(.*?)^```", page, re.DOTALL | re.MULTILINE
    )
    shown = [re.split(r" {2,}|(?<=index)  ", line)[-1] for line in example.splitlines()]
    assert set(shown) <= {reason.value for reason in BuildReason}


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
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", page.read_text()):
        file = page.parent / target if target else page
        assert file.exists(), f"{page.name}: {target}"
        assert not anchor or anchor in anchors(file), f"{page.name}: {target}#{anchor}"


def test_the_readme_leads_to_every_page() -> None:
    readme = project_dir() / "README.md"
    linked = {
        (project_dir() / target).resolve()
        for target in re.findall(r"\]\(([^)#]+)\)", readme.read_text())
    }
    assert set(PAGES) - linked == {readme}


@pytest.mark.parametrize("name", MAPS)
def test_paths_in_the_source_exist(name: str) -> None:
    text = (project_dir() / name).read_text()
    paths = re.findall(r"`((?:[\w.-]+/)+[\w.*-]*)`", text)
    tops = {path.name for path in project_dir().iterdir()}
    missing = [
        path
        for path in paths
        if path.partition("/")[0] in tops and not any(project_dir().glob(path.rstrip("/")))
    ]
    assert missing == []


def test_the_map_has_every_folder() -> None:
    text = (project_dir() / "HACKING.md").read_text()
    folders = {
        f"{path.parent.relative_to(project_dir())}/"
        for package in (*PRODUCT, "testbed")
        for path in (project_dir() / package).rglob("__init__.py")
        if path.parent.parent == project_dir() / package or path.parent.name == package
    }
    assert {folder for folder in folders if f"| `{folder}` |" not in text} <= {"testbed/"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_that_are_named_exist(page: Path) -> None:
    for command in re.findall(r"`kollarm ([a-z]+)", page.read_text()):
        assert command in cli.lazy, f"{page.name}: kollarm {command}"


def test_the_example_of_guests_has_every_key() -> None:
    text = (project_dir() / "examples" / "guests.yml").read_text()
    keys = set(re.findall(r"^(?:  - |    )(\w+):", text, re.MULTILINE))
    assert keys == set(Guest.model_fields)
