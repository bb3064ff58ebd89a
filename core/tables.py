"""Results as tables, for a person."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from core.text_output import one_line


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table as plain text; if standard output is not a terminal, wide enough not to fold."""
    console = Console(color_system=None)
    if not console.is_terminal:
        console = Console(color_system=None, width=180)
    grid = Table(title=Text(title), title_justify="left", box=None, pad_edge=False)
    for column in columns:
        grid.add_column(Text(column), overflow="fold")
    for row in rows:
        grid.add_row(*(Text(one_line(cell)) for cell in row))
    with console.capture() as capture:
        console.print(grid)
    return capture.get().rstrip("\n")
