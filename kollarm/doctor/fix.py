"""Carrying out the remedies of a report that are a package, a script or a command."""

from __future__ import annotations

import os

from core import progress
from core.errors import KollarmError
from core.paths import project_dir
from core.run import have, run
from kollarm.doctor.model import DoctorReport

#: Seconds that an installation may take, from a slow mirror too.
LIMIT = 1800.0

QUIET = {"DEBIAN_FRONTEND": "noninteractive", "NEEDRESTART_MODE": "l"}


def fix(report: DoctorReport) -> None:
    """Install missing packages and start stopped services, as root or through sudo.

    :raises KollarmError: apt is not available, or one of the steps failed.
    """
    fixes = [finding.fix for finding in report.fixable if finding.fix is not None]
    packages = list(dict.fromkeys(name for step in fixes for name in step.packages))
    scripts = list(dict.fromkeys(step.script for step in fixes if step.script))
    commands = list(dict.fromkeys(step.command for step in fixes if step.command))
    if packages:
        _install(packages)
    for command in commands:
        with progress.current().step(" ".join(command)):
            run([*as_root(), *command], timeout=LIMIT)
    for script in scripts:
        with progress.current().step(f"scripts/{script}"):
            run([project_dir() / "scripts" / script], timeout=LIMIT)


def _install(packages: list[str]) -> None:
    if not have("apt-get"):
        raise KollarmError(
            "packages can be installed only with apt",
            hint=f"install them by hand: {' '.join(packages)}",
        )
    with progress.current().step(f"install {' '.join(packages)}") as step:
        apt = [*as_root(), "env", *(f"{name}={value}" for name, value in QUIET.items()), "apt-get"]
        step.note("apt-get update")
        run([*apt, "-qq", "update"], timeout=LIMIT, check=False)  # what counts is the install
        step.note("apt-get install")
        run([*apt, "-qq", "-y", "--no-install-recommends", "install", *packages], timeout=LIMIT)


def as_root() -> list[str]:
    """The words to put before a command so that root runs it."""
    if os.geteuid() == 0:
        return []
    if not have("sudo"):
        raise KollarmError(
            "root privileges are required, and sudo is not installed", hint="run it as root"
        )
    return ["sudo"]
