"""From plain data to HTML: it escapes everything, fetches nothing and runs nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined

from core.config.deploy import Host
from core.config.model import Architecture
from core.progress import duration, size
from deploy import DeployRecord
from kollarm.console_proof.model import ProofReport
from kollarm.report.screens import screen_view
from kollarm.report.view import ContainersView, RunView
from kollarm.run_images import GuestRecord


@dataclass(frozen=True)
class PagePart:
    """The part of the page that one kind of run writes."""

    title: str
    """The title of the page, if this is the first part."""
    when: str
    """The date and time of the run, for a person."""
    html: str
    """Markup of the page's sections, in which all values are escaped."""


def run(view: RunView, when: str) -> PagePart:
    """The part for a run as a whole: what it did, or why it ended early."""
    return PagePart(view.title, when, _render("run", view=view))


def containers(view: ContainersView, when: str) -> PagePart:
    """The part for container images and their indices."""
    return PagePart("Container images", when, _render("containers", view=view))


def guests(records: Sequence[GuestRecord], cloud: str, when: str) -> PagePart:
    """The part for guest images and what was published.

    :param cloud: the name of the cloud.
    """
    return PagePart("Guest images", when, _render("guests", guests=records, cloud=cloud))


def deployment(record: DeployRecord, hosts: Mapping[str, Host], when: str) -> PagePart:
    """The part for a cloud that was deployed: its hosts, and what the stages did there."""
    html = _render("deployment", record=record, hosts=hosts)
    return PagePart(f"Deployment of OpenStack {record.release}", when, html)


def consoles(reports: Mapping[Architecture, ProofReport], when: str) -> PagePart:
    """The part for the consoles of a cloud's guests, one for each architecture."""
    html = _render("consoles", reports=reports)
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
    environment.filters |= {"duration": duration, "screen": screen_view, "size": size}
    return environment.get_template(f"{name}.html.j2").render(**values)
