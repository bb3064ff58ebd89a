"""Looking at an image: launch, recognise, fetch, judge."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from core import progress
from guestprep.appliance import Appliance, Drive, launched
from guestprep.facts import GuestFacts
from guestprep.inspect.analyse import judge
from guestprep.inspect.collect import Evidence, fetch
from guestprep.inspect.layout import find_layout
from guestprep.source import DiskFacts, disk_facts


@dataclass(frozen=True)
class Examination:
    """Facts with the evidence they were made from."""

    facts: GuestFacts
    evidence: Evidence


def examine(
    appliance: Appliance, disk: DiskFacts, work: Path, watch: Iterable[str] = ()
) -> Examination:
    """Find out what the appliance's first disk holds; its tree stays mounted read-only.

    :param work: a folder for local copies of what is too large to keep in memory.
    :param watch: paths in the guest whose content and permissions are wanted too.
    :raises UnusableInput: nothing on it that could be prepared.
    """
    with progress.current().step("inspect") as step:
        step.note("partitions")
        layout = find_layout(appliance)
        step.note("files")
        evidence = fetch(appliance, layout, work, watch)
        facts = judge(disk, evidence)
        step.note(facts.pretty_name or facts.distribution)
    return Examination(facts, evidence)


def inspect(path: Path) -> GuestFacts:
    """The facts of an image file; one launch, and the file is opened for reading only.

    :raises UnusableInput: the file is missing, damaged, no disk, or has no readable system.
    :raises ApplianceError: libguestfs's appliance doesn't start.
    """
    disk = disk_facts(path)
    with (
        tempfile.TemporaryDirectory(prefix="kollarm-inspect-") as work,
        launched([Drive(path.absolute(), disk.format)]) as appliance,
    ):
        return examine(appliance, disk, Path(work)).facts
