"""Leaving the page of a run beside its record."""

from __future__ import annotations

import time
from pathlib import Path

from builder import show
from kollarm import files, progress
from kollarm.config.model import Architecture, Config
from kollarm.errors import KollarmError
from kollarm.report.page import page
from kollarm.report.view import view
from kollarm.road import RoadRecord

NAME = "report.html"


def write(config: Config, project_dir: Path, record: RoadRecord) -> Path:
    """Write the page of a run under the state folder; return its path.

    :param project_dir: the folder of the configuration file.
    """

    def diff(image: str, architecture: Architecture) -> str | None:
        try:
            return show.diff(config, image, project_dir=project_dir, architecture=architecture)
        except KollarmError:
            return None  # the templates need an overlay to be rendered at all

    path = config.state_dir / NAME
    cloud = "embedded Glance" if config.cloud.embedded else config.cloud.name or "cloud"
    with progress.current().step("report"):
        shown = view(
            record,
            when=time.strftime("%A, %d %B %Y, %H:%M"),
            cloud=cloud,
            folder=config.state_dir,
            diff=diff,
        )
        files.write(path, page(shown))
    return path
