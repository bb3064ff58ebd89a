"""What a measure came to, kept as JSON and shown as a table."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from core import files
from core.progress import duration

BEGIN = "<!-- figures: made by `make bench BENCH_OPTIONS=--markdown` -->"
END = "<!-- end of figures -->"

COLUMNS = ("measure", "what is compared", "goal", "met", "min", "median", "max", "samples", "date")


@dataclass(frozen=True)
class Result:
    """One measure's values in one run."""

    name: str
    compared: str
    unit: str
    goal: str
    """As text; empty without one."""
    met: bool | None
    """Whether the median keeps the goal; None without a goal or values."""
    values: list[float]
    """In the order they were taken; a pair's ratio."""
    pairs: list[tuple[float, float]] = field(default_factory=list)
    """Ours and the other, where pairs were taken."""
    error: str | None = None
    """Why the measure ended early; None when it didn't."""
    date: str = ""
    """Of the run, ISO 8601, UTC."""
    machine: str = ""
    """What it ran on, in one line."""
    took: float = 0.0
    """Seconds that measuring took."""

    def row(self) -> list[str]:
        """The table's cells, in the order of :data:`COLUMNS`."""
        met = "failed" if self.error else {True: "yes", False: "**no**", None: ""}[self.met]
        spread: list[str] = ["", "", ""]
        if self.values:
            spread = [
                f"{value:.3g} {self.unit}"
                for value in (min(self.values), statistics.median(self.values), max(self.values))
            ]
        count = str(len(self.values))
        return [self.name, self.compared, self.goal, met, *spread, count, self.date[:10]]


def load(path: Path) -> dict[str, Result]:
    """The results kept by earlier runs, by name; empty where there are none."""
    try:
        kept = json.loads(path.read_text())["measures"]
        return {name: Result(**values) for name, values in kept.items()}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def save(path: Path, results: dict[str, Result]) -> None:
    """Keep results as one JSON document."""
    document = {"measures": {name: asdict(result) for name, result in sorted(results.items())}}
    files.write(path, json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def table(rows: dict[tuple[str, str], str], took: Mapping[str, float] | None = None) -> str:
    """A table for each machine; rows by machine and measure.

    :param took: seconds that all of a machine's measures took.
    """
    lines: list[str] = []
    for machine in sorted({machine for machine, _ in rows}):
        lines += [
            f"Machine: {machine}.",
            "",
            f"| {' | '.join(COLUMNS)} |",
            f"|{'---|' * len(COLUMNS)}",
        ]
        lines += [row for (where, _), row in sorted(rows.items()) if where == machine]
        lines.append("")
        if took and machine in took:
            lines += [f"Measuring all of it took {duration(took[machine])}.", ""]
    return "\n".join(lines)


def rows_of(text: str) -> dict[tuple[str, str], str]:
    """The rows of what :func:`table` made, by machine and measure."""
    found: dict[tuple[str, str], str] = {}
    machine = ""
    for line in text.splitlines():
        if line.startswith("Machine: "):
            machine = line.removeprefix("Machine: ").removesuffix(".")
        name = line.split("|")[1].strip() if line.count("|") > len(COLUMNS) else ""
        if "." in name:  # a measure's, and not the head's
            found[machine, name] = line
    return found


def update_page(page: Path, results: dict[str, Result]) -> None:
    """Renew the rows of these results in a Markdown page; others stay.

    :raises ValueError: the page has no part for figures.
    """
    text = page.read_text()
    head, begin, rest = text.partition(BEGIN)
    old, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page} has no part between {BEGIN!r} and {END!r}")
    rows = rows_of(old)
    for name, result in results.items():
        rows[result.machine, name] = f"| {' | '.join(result.row())} |"
    took = {
        machine: sum(result.took for result in results.values() if result.machine == machine)
        for machine in {where for where, _ in rows}
        if all(name in results for where, name in rows if where == machine)
    }
    files.write(page, f"{head}{BEGIN}\n\n{table(rows, took)}\n{END}{tail}")
