"""The documentation as a site (Sphinx): ``make docs``."""

from sphinx.application import Sphinx

project = "kollarm"
extensions = ["myst_parser"]
# The pages lie where a forge shows them, and link to each other as they lie there.
root_doc = "README"
include_patterns = ["*.md", "docs/*.md"]
myst_heading_anchors = 4
html_theme = "furo"
html_title = "kollarm"
html_show_copyright = False
html_show_sphinx = False

#: The menu, in the order in which a newcomer reads. A page that is missing here is an error.
MENU = {
    "First steps": ["docs/install", "docs/small-cloud", "docs/from-the-page"],
    "Guides": [
        "docs/overlays",
        "docs/releases",
        "docs/guests",
        "docs/publish",
        "docs/deploy",
        "docs/console",
        "docs/at-scale",
        "docs/ci",
    ],
    "Reference": ["docs/troubleshooting", "docs/security", "docs/performance", "NEWS"],
    "Contributing": ["CONTRIBUTING", "HACKING", "docs/design", "docs/coding-style", "SECURITY"],
}


def add_menu(_app: Sphinx, page: str, source: list[str]) -> None:
    """Sphinx takes its menu from a page; the README stays as it is."""
    if page == root_doc:
        for caption, pages in MENU.items():
            listed = "\n".join(pages)
            source[0] += f"\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{listed}\n```\n"


def setup(app: Sphinx) -> None:
    app.connect("source-read", add_menu)
