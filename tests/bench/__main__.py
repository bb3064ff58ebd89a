"""``python -m tests.bench [NAME…]``: measure, print a table, keep the figures as JSON."""

from __future__ import annotations

import fnmatch
import importlib
import pkgutil
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from core.progress import duration
from tests import bench
from tests.bench import result
from tests.bench.machine import describe
from tests.bench.measure import Measure, Pair

PAGE = Path(__file__).resolve().parents[2] / "docs" / "performance.md"


def collect() -> list[Measure]:
    """Every measure of this folder's modules."""
    found = []
    for module in pkgutil.iter_modules(bench.__path__):
        if module.name.startswith("bench_"):
            content = vars(importlib.import_module(f"tests.bench.{module.name}"))
            found += [value for value in content.values() if isinstance(value, Measure)]
    return found


def chosen(measures: Sequence[Measure], patterns: Sequence[str]) -> list[Measure]:
    """The measures that one of the patterns names (``publish.*``); all without patterns."""
    for pattern in patterns:
        if not any(fnmatch.fnmatchcase(measure.name, pattern) for measure in measures):
            raise click.UsageError(f"no measure is named {pattern}; --list names them")
    return [
        measure
        for measure in measures
        if not patterns or any(fnmatch.fnmatchcase(measure.name, pattern) for pattern in patterns)
    ]


def take(measure: Measure, machine: str) -> result.Result:
    """Take a measure's samples; what goes wrong is in the result."""
    values: list[float] = []
    pairs: list[tuple[float, float]] = []
    error = None
    date = datetime.now(UTC).isoformat(timespec="seconds")
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="kollarm-bench-") as folder:
        try:
            with closing(measure.take(Path(folder))) as samples:
                for sample in samples:
                    if isinstance(sample, Pair):
                        pairs.append((sample.ours, sample.other))
                        values.append(sample.ratio)
                    else:
                        values.append(float(sample))
                    print(f"  {measure.name}: {values[-1]:.3g} {measure.unit}", file=sys.stderr)
        except Exception as problem:
            traceback.print_exc()
            error = f"{type(problem).__name__}: {problem}"
    if not values and error is None:
        error = "no sample was taken"
    return result.Result(
        name=measure.name,
        compared=measure.compared,
        unit=measure.unit,
        goal=str(measure.goal) if measure.goal else "",
        met=measure.goal.met(values) if measure.goal and values else None,
        values=values,
        pairs=pairs,
        error=error,
        date=date,
        machine=machine,
        took=round(time.monotonic() - began, 1),
    )


def show(results: Sequence[result.Result]) -> None:
    """Print the table on standard output."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=200)
    table = Table(box=None, pad_edge=False)
    for column in result.COLUMNS:
        table.add_column(column, overflow="fold")
    for one in results:
        table.add_row(*(cell.replace("**", "") for cell in one.row()))
    console.print(table)


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]…")
@click.option("--list", "only_list", is_flag=True, help="Name the measures; measure nothing.")
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path(".kollarm/bench.json"),
    show_default=True,
    help="Where the figures are kept; what isn't measured now stays in it.",
)
@click.option("--markdown", is_flag=True, help="Renew the table of docs/performance.md.")
def main(names: tuple[str, ...], only_list: bool, output: Path, markdown: bool) -> None:
    """Measure what is named (patterns such as 'publish.*'), or everything.

    Exit status 1 when a goal is missed or a measure failed.
    """
    measures = chosen(collect(), names)
    if only_list:
        for measure in measures:
            print(f"{measure.name}: {measure.compared}; goal: {measure.goal or 'none'}")
        return
    machine = describe()
    print(machine, file=sys.stderr)
    results = []
    for measure in measures:
        print(f"{measure.name}: {measure.compared}", file=sys.stderr)
        results.append(take(measure, machine))
        # kept one by one, so that an interruption loses only what was under way
        result.save(output, result.load(output) | {measure.name: results[-1]})
    show(results)
    whole = duration(sum(one.took for one in results))
    print(f"measured in {whole}; kept in {output}", file=sys.stderr)
    if markdown:
        result.update_page(PAGE, result.load(output))
    if any(one.error or one.met is False for one in results):
        sys.exit(1)


if __name__ == "__main__":
    main()
