"""What a measure came to, kept as JSON and shown as a table."""

from __future__ import annotations

import json
import statistics
from dataclasses import asdict, dataclass, field
from pathlib import Path

from kollarm import files

BEGIN = "<!-- figures: made by `make bench BENCH_OPTIONS=--markdown` -->"
END = "<!-- end of figures -->"

COLUMNS = ("measure", "what is compared", "goal", "met", "min", "median", "max", "samples", "date")


@dataclass(frozen=True)
class Result:
    """One measure's values in one run.

    :ivar values: in the order they were taken; a pair's ratio.
    :ivar pairs: ours and the other, where pairs were taken.
    :ivar goal: as text; empty without one.
    :ivar met: whether the median keeps the goal; None without a goal or values.
    :ivar error: why the measure ended early; None when it didn't.
    :ivar date: of the run, ISO 8601, UTC.
    :ivar machine: what it ran on, in one line.
    """

    name: str
    compared: str
    unit: str
    goal: str
    met: bool | None
    values: list[float]
    pairs: list[tuple[float, float]] = field(default_factory=list)
    error: str | None = None
    date: str = ""
    machine: str = ""

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


def markdown(results: dict[str, Result]) -> str:
    """A table for each machine that the results come from."""
    lines: list[str] = []
    for machine in sorted({result.machine for result in results.values()}):
        lines += [
            f"Machine: {machine}.",
            "",
            f"| {' | '.join(COLUMNS)} |",
            f"|{'---|' * len(COLUMNS)}",
        ]
        for name in sorted(results):
            if results[name].machine == machine:
                lines.append(f"| {' | '.join(results[name].row())} |")
        lines.append("")
    return "\n".join(lines)


def update_page(page: Path, results: dict[str, Result]) -> None:
    """Replace the part of a Markdown page that holds the figures.

    :raises ValueError: the page has no such part.
    """
    text = page.read_text()
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page} has no part between {BEGIN!r} and {END!r}")
    files.write(page, f"{head}{BEGIN}\n\n{markdown(results)}\n{END}{tail}")
