"""The documentation as a site, in which no link leads nowhere."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.packaging import apart, source

pytestmark = pytest.mark.integration


def build(checkout: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [checkout / "scripts/docs-site"], env=apart(PYTHON=sys.executable),
        capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    return source(tmp_path / "checkout")


def test_it_has_every_page(checkout: Path) -> None:
    done = build(checkout)
    assert done.returncode == 0, done.stderr
    site = checkout / "build/site"
    start = (site / "index.html").read_text("utf-8")
    for page in [*checkout.glob("*.md"), *checkout.glob("docs/*.md")]:
        place = page.relative_to(checkout).with_suffix(".html")
        assert (site / place).is_file()
        assert f'href="{place}"' in start or page.name == "README.md"
    assert "https://fonts" not in start


@pytest.mark.parametrize(
    "text",
    ["[a page](docs/nowhere.md)", "[a heading](docs/guests.md#nowhere)", "![](docs/none.png)"],
)
def test_a_broken_link_is_an_error(checkout: Path, text: str) -> None:
    with (checkout / "NEWS.md").open("a", encoding="utf-8") as file:
        file.write(f"\n{text}\n")
    done = build(checkout)
    assert done.returncode != 0
    assert "NEWS.md" in done.stderr


def test_a_page_that_no_menu_has_is_an_error(checkout: Path) -> None:
    (checkout / "docs/further.md").write_text("# A page\n", "utf-8")
    done = build(checkout)
    assert done.returncode != 0
    assert "further.md" in done.stderr
