"""From plain data to HTML: it escapes everything, fetches nothing and runs nothing."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from core.config.model import Architecture
from core.progress import duration, size
from kollarm.console_proof.model import ProofReport
from kollarm.report.view import ReportView


@dataclass(frozen=True)
class PagePart:
    """The part of the page that one kind of run writes."""

    title: str
    """The title of the page, if this is the first part."""
    when: str
    """The date and time of the run, for a person."""
    html: str
    """Markup in which all values are escaped."""


def images(view: ReportView) -> PagePart:
    """The part for container images, guest images and what was published."""
    return PagePart(view.title, view.subtitle, _render("images", view=view))


def consoles(reports: Mapping[Architecture, ProofReport], when: str) -> PagePart:
    """The part for the consoles of a cloud's guests, one for each architecture."""
    html = _render("consoles", reports=reports, when=when)
    return PagePart("The cloud's consoles", when, html)


def page(parts: Sequence[PagePart]) -> str:
    """The whole HTML document of one or more parts.

    Its content security policy forbids it to run scripts and to fetch anything.
    """
    return _render("report", parts=parts)


def _render(name: str, **values: object) -> str:
    environment = Environment(
        loader=PackageLoader("kollarm.report", "data"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"duration": duration, "picture": _picture, "size": size}
    return environment.get_template(f"{name}.html.j2").render(**values)


def _picture(screenshot: Path) -> str:
    """A PNG file as a data URI."""
    return "data:image/png;base64," + base64.b64encode(screenshot.read_bytes()).decode()
