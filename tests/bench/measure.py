"""What a measure is: a name, what is compared, a goal, and a generator of samples.

>>> @measure(compared="kollarm's upload against curl -T, 300 MiB", goal=at_most(1.2))
... def upload(folder: Path) -> Samples:
...     for _ in range(3):
...         yield Pair(ours(), curls())                                  # doctest: +SKIP
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple


class Pair(NamedTuple):
    """Two amounts of the same unit measured right after each other; their ratio counts."""

    ours: float
    other: float

    @property
    def ratio(self) -> float:
        return self.ours / self.other


#: A lone amount has the measure's unit; a pair counts as ours / other.
Samples = Generator[float | Pair, None, None]


@dataclass(frozen=True)
class Goal:
    """A bound that the median of the samples has to keep."""

    bound: float
    most: bool

    def met(self, values: Sequence[float]) -> bool:
        """Whether the values' median keeps the bound."""
        median = statistics.median(values)
        return median <= self.bound if self.most else median >= self.bound

    def __str__(self) -> str:
        return f"{'≤' if self.most else '≥'} {self.bound:g}"


def at_most(bound: float) -> Goal:
    """The median may not be more than this."""
    return Goal(bound, most=True)


def at_least(bound: float) -> Goal:
    """The median may not be less than this."""
    return Goal(bound, most=False)


@dataclass(frozen=True)
class Measure:
    """One thing that is measured."""

    name: str
    """``module.function``, such as ``publish.upload``."""
    compared: str
    """What is measured, in words: ours against what else."""
    goal: Goal | None
    """None for a figure that is only told."""
    unit: str
    """Of the values: ``×`` for ratios, else ``s``, ``MiB`` …."""
    take: Callable[[Path], Samples]
    """Given an empty folder, yields the samples one by one; it cleans up after itself (``try: …
    finally:``).
    """


def measure(
    *, compared: str, goal: Goal | None = None, unit: str = "×"
) -> Callable[[Callable[[Path], Samples]], Measure]:
    """Make a generator function a :class:`Measure` of its module."""

    def made(take: Callable[[Path], Samples]) -> Measure:
        module = take.__module__.rpartition(".")[2].removeprefix("bench_")
        name = f"{module}.{take.__name__}".replace("_", "-")
        return Measure(name, compared, goal, unit, take)

    return made
