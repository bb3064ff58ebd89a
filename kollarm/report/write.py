"""Writing the report into the state folder.

Building images, preparing guests and proving a deployed cloud may be separate runs, often days
apart, and one page shows the last of each. So every run saves its parts of the page, and the page
is made of all saved parts.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from builder.overlay_diff import dockerfile_diff
from core import files, progress
from core.config.model import Architecture, Config
from core.errors import KollarmError
from core.text_output import printable
from deploy import DeployRecord
from kollarm.console_proof.model import ProofReport
from kollarm.earlier_builds import note_builds
from kollarm.report.page import PagePart, consoles, containers, deployment, guests, page, run
from kollarm.report.view import RunFailure, containers_view, run_view
from kollarm.run_images import ImagesRecord, RunPart

NAME = "report.html"

#: The names of the parts, in the page's order.
RUN, CONTAINERS, GUESTS, DEPLOYMENT, CONSOLES = PARTS = (
    "run",
    "containers",
    "guests",
    "deployment",
    "consoles",
)

#: The folder of the saved parts, in the state folder.
FOLDER = "report"

#: Like a log, the page has screens and the words of programs: it is for its owner alone.
MODE = 0o600

#: Lines of a failure's details that are shown.
LINES = 40

log = logging.getLogger(__name__)


def write(config: Config, record: ImagesRecord, failure: RunFailure | None = None) -> Path:
    """Show a run of ``kollarm images`` on the page; return the page's path.

    What an earlier run did, and this one left out or didn't reach, stays on the page.

    :param failure: why it ended early; None if it did not.
    """

    def diff(image: str, architecture: Architecture) -> str | None:
        try:
            return dockerfile_diff(config, image, architecture=architecture)
        except KollarmError:
            return None  # the templates can't be rendered without an overlay

    folder, when, build = config.state_dir, _now(), record.build
    cloud = "embedded Glance" if config.cloud.embedded else config.cloud.name or "cloud"
    with progress.current().step("report"):
        earlier = note_builds(config, build)
        if RunPart.BUILD in record.parts and (build.images or failure is None):
            view = containers_view(build, folder=folder, diff=diff, earlier=earlier.completed)
            _keep(folder, CONTAINERS, containers(view, when))
        if record.guests:
            _keep(folder, GUESTS, guests(record.guests, cloud, when))
        elif not config.guests:
            (folder / FOLDER / f"{GUESTS}.json").unlink(missing_ok=True)
        return save(folder, RUN, run(run_view(record, failure), when))


def write_failed(config: Config, record: ImagesRecord, error: BaseException) -> Path | None:
    """Show a run that ended early: why, and what was done until then.

    The user has to see the run's own error, so any error while writing the page is only
    logged, and None is returned.
    """
    steps = progress.current().broken
    if isinstance(error, KollarmError):
        lines = tuple(printable(error.details or "").splitlines()[-LINES:])
        failure = RunFailure(error.message, steps, error.hint, lines)
    elif isinstance(error, KeyboardInterrupt):
        failure = RunFailure("interrupted", steps, "the next run continues from there")
    else:
        failure = RunFailure(f"internal error: {type(error).__name__}: {error}", steps)
    try:
        return write(config, record, failure)
    except Exception:
        log.exception("the report can't be written")
        return None


def write_deployment(config: Config, record: DeployRecord) -> Path:
    """Show a deployment's hosts and stages on the page; return the page's path."""
    hosts = config.deploy.hosts if config.deploy is not None else {}
    return save(config.state_dir, DEPLOYMENT, deployment(record, hosts, _now()))


def write_consoles(config: Config, reports: Mapping[Architecture, ProofReport]) -> Path:
    """Show the consoles of a cloud's guests on the page; return the page's path."""
    return save(config.state_dir, CONSOLES, consoles(reports, _now()))


def _now() -> str:
    return time.strftime("%A, %d %B %Y, %H:%M")


def save(folder: Path, name: str, part: PagePart) -> Path:
    """Save a part of the page in place of an earlier one; return the page's path.

    :param folder: the state folder.
    :param name: one of :data:`PARTS`.
    """
    _keep(folder, name, part)
    parts = [_saved(folder / FOLDER / f"{name}.json") for name in PARTS]
    path = folder / NAME
    files.write(path, printable(page([part for part in parts if part is not None])), mode=MODE)
    return path


def _keep(folder: Path, name: str, part: PagePart) -> None:
    files.write(folder / FOLDER / f"{name}.json", json.dumps(asdict(part)) + "\n", mode=MODE)


def _saved(path: Path) -> PagePart | None:
    """A part that was saved; None if there is none, or another version of kollarm saved it."""
    try:
        return PagePart(**json.loads(path.read_bytes()))
    except (FileNotFoundError, ValueError, TypeError):
        return None
