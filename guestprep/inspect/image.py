"""Inspecting an image: launch the appliance, recognise the layout, collect, analyse."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from core import progress
from guestprep.appliance import Appliance, Drive, launch_appliance
from guestprep.facts import GuestFacts
from guestprep.inspect.analyse import analyse
from guestprep.inspect.collect import GuestContents, collect
from guestprep.inspect.layout import find_layout
from guestprep.source import DiskFacts, disk_facts


@dataclass(frozen=True)
class Inspection:
    """A guest's facts, and the contents they were made from."""

    facts: GuestFacts
    contents: GuestContents


def inspect_disk(
    appliance: Appliance, disk: DiskFacts, work: Path, watch: Iterable[str] = ()
) -> Inspection:
    """Find out what the appliance's first disk holds; its tree stays mounted read-only.

    :param work: a folder for local copies of what is too large to keep in memory.
    :param watch: paths in the guest whose content and permissions are wanted too.
    :raises UnusableInput: nothing on it that could be prepared.
    """
    with progress.current().step("inspect") as step:
        step.note("partitions")
        layout = find_layout(appliance)
        step.note("files")
        contents = collect(appliance, layout, work, watch)
        facts = analyse(disk, contents)
        step.note(facts.pretty_name or facts.distribution)
    return Inspection(facts, contents)


def inspect_image(path: Path, watch: Iterable[str] = ()) -> Inspection:
    """Inspect an image file: one launch, and the file is opened for reading only.

    :param watch: paths in the guest whose content and permissions are wanted too.
    :raises UnusableInput: the file is missing, damaged, not a disk, or has no readable system.
    :raises ApplianceError: libguestfs's appliance doesn't start.
    """
    disk = disk_facts(path)
    with (
        tempfile.TemporaryDirectory(prefix="kollarm-inspect-") as work,
        launch_appliance([Drive(Path(disk.path), disk.format)]) as appliance,
    ):
        return inspect_disk(appliance, disk, Path(work), watch)
