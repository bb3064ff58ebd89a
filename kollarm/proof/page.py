"""The page that shows a cloud's consoles: one HTML file, without scripts or outside resources."""

from __future__ import annotations

import base64
from collections.abc import Mapping

from jinja2 import Environment, PackageLoader, StrictUndefined

from kollarm.config.model import Architecture
from kollarm.proof.model import ProofReport


def page(reports: Mapping[Architecture, ProofReport]) -> str:
    """The page of some proofs as a whole HTML document; the screens are within it."""
    environment = Environment(
        loader=PackageLoader("kollarm.proof", "data"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    rows = [(arch.value, report, _picture(report)) for arch, report in reports.items()]
    return environment.get_template("proof.html.j2").render(rows=rows)


def _picture(report: ProofReport) -> str | None:
    if report.screenshot is None:
        return None
    return "data:image/png;base64," + base64.b64encode(report.screenshot.read_bytes()).decode()
