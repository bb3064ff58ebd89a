"""The benchmarks' harness: what is taken, judged, kept and shown."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from tests.bench import __main__, emulation, result
from tests.bench.measure import Pair, Samples, at_least, at_most, measure


@measure(compared="ours against another's", goal=at_most(0.5))
def halves(folder: Path) -> Samples:
    (folder / "left behind").write_text("")
    yield Pair(1, 2)
    yield Pair(1, 4)
    yield Pair(9, 10)


@measure(compared="how many", goal=at_least(3), unit="images")
def breaks(folder: Path) -> Samples:
    yield 2
    raise OSError("the disk is gone")


def test_pairs_count_as_ratios_and_the_median_decides() -> None:
    taken = __main__.take(halves, "a machine")
    assert taken.name == "test-harness.halves"
    assert taken.values == [0.5, 0.25, 0.9]
    assert taken.pairs == [(1, 2), (1, 4), (9, 10)]
    assert taken.met is True
    assert taken.row()[2:8] == ["≤ 0.5", "yes", "0.25 ×", "0.5 ×", "0.9 ×", "3"]


def test_a_measure_that_fails_is_told_with_what_it_had() -> None:
    taken = __main__.take(breaks, "a machine")
    assert taken.error == "OSError: the disk is gone"
    assert taken.values == [2]
    assert taken.row()[3] == "failed"


def test_results_are_kept_and_shown_on_the_page(tmp_path: Path) -> None:
    kept = tmp_path / "bench.json"
    taken = {one.name: __main__.take(one, "a machine") for one in (halves, breaks)}
    result.save(kept, taken)
    assert {name: one.row() for name, one in result.load(kept).items()} == {
        name: one.row() for name, one in taken.items()
    }
    page = tmp_path / "page.md"
    page.write_text(f"before\n{result.BEGIN}\nold\n{result.END}\nafter\n")
    result.update_page(page, taken)
    text = page.read_text()
    assert text.startswith("before\n") and text.endswith("\nafter\n") and "old" not in text
    assert "| test-harness.halves | ours against another's | ≤ 0.5 | yes | 0.25 × |" in text
    assert "Machine: a machine." in text
    assert text.count("Measuring all of it took") == 1
    # what isn't measured again stays
    other = __main__.take(breaks, "another machine")
    result.update_page(page, {other.name: other})
    text = page.read_text()
    assert text.count("| test-harness.halves |") == 1
    assert text.count("| test-harness.breaks |") == 2


def test_every_page_and_measure_that_is_shipped_can_be_used(tmp_path: Path) -> None:
    measures = __main__.collect()
    assert len({one.name for one in measures}) == len(measures) > 0
    page = tmp_path / "page.md"
    page.write_text(__main__.PAGE.read_text())
    result.update_page(page, {})


def test_measures_are_chosen_by_patterns() -> None:
    assert __main__.chosen([halves, breaks], ["*.halves"]) == [halves]
    assert __main__.chosen([halves, breaks], []) == [halves, breaks]
    with pytest.raises(click.UsageError, match="no measure is named guests"):
        __main__.chosen([halves], ["guests.*"])


@pytest.mark.parametrize(
    ("exe", "words", "name"),
    [
        ("/usr/bin/qemu-aarch64-static", "binfmt-P /usr/bin/gcc-14 cc -c x.c", "emulated gcc-14"),
        ("/usr/bin/qemu-x86_64", "binfmt-P /bin/bash bash -c true", "emulated bash -c"),
        ("/usr/bin/qemu-system-aarch64", "qemu-system-aarch64 -M virt", None),
        ("/dev/native/usr/bin/python3.13", "python3 -I -m pip install", "native python3.13 -m pip"),
        ("/dev/native/usr/bin/perl", "perl /usr/bin/debconf x", "native perl debconf"),
        ("/usr/bin/dpkg", "dpkg -i", None),
    ],
)
def test_programs_of_build_steps(exe: str, words: str, name: str | None) -> None:
    assert emulation.program(exe, words.split()) == name
