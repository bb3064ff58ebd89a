"""From the view to HTML: one template, everything in it escaped, nothing fetched."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined

from kollarm.report.view import View


def page(view: View) -> str:
    """The page as a whole HTML document.

    It forbids itself (by its content security policy) to run any script and to
    fetch anything.
    """
    environment = Environment(
        loader=PackageLoader("kollarm.report", "data"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2").render(view=view)
