"""When and how long the images in the registry were built, by runs of this state folder."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from builder.record import BuildRecord, ImageRecord, State
from core import progress
from core.config.model import Config
from core.errors import KollarmError
from core.remembered import read_table, write_table

_NUMBER = re.compile(r"\d{1,9}(\.\d{1,20})?")


class EarlierBuilds:
    """A file of the state folder; a damaged one is begun again, as it only informs."""

    def __init__(self, path: Path):
        self.path = path
        try:
            fields = ("digest", "started", "seconds", "log")
            self._builds = read_table(path, fields, hint="remove it")
        except KollarmError as error:
            progress.current().warn(f"{error.message}; it is begun again")
            self._builds = {}

    def note(self, rows: Iterable[ImageRecord]) -> None:
        """Remember the images that a run has built."""
        built = [row for row in rows if row.state is State.BUILT and row.digest]
        for row in built:
            self._builds[row.reference] = {
                "digest": row.digest or "",
                "started": row.started or "",
                "seconds": str(row.seconds),
                "log": str(row.log or ""),
            }
        if built:
            write_table(self.path, self._builds)

    def completed(self, row: ImageRecord) -> ImageRecord:
        """An image that was kept, with the time, date and log of the run that built it."""
        build = self._builds.get(row.reference)
        if row.state is not State.KEPT or build is None or build["digest"] != row.digest:
            return row
        seconds = float(build["seconds"]) if _NUMBER.fullmatch(build["seconds"]) else 0.0
        log = Path(build["log"]) if build["log"] else None
        return replace(row, started=build["started"] or None, seconds=seconds, log=log)


def note_builds(config: Config, build: BuildRecord) -> EarlierBuilds:
    """Remember what a run has built, for the page of a later one that keeps it."""
    earlier = EarlierBuilds(config.state_dir / "report" / "builds.json")
    earlier.note(build.images)
    return earlier
