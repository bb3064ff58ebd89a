"""Doing what a report's remedies say, where that is a package, a script or one command."""

from __future__ import annotations

import os

from core import progress
from core.errors import KollarmError
from core.paths import project_dir
from core.run import have, run
from kollarm.doctor.model import DoctorReport

#: Seconds for an installation, a slow mirror included.
LIMIT = 1800.0

QUIET = {"DEBIAN_FRONTEND": "noninteractive", "NEEDRESTART_MODE": "l"}


def fix(report: DoctorReport) -> None:
    """Install and start what the report says is lacking, as root or through sudo.

    :raises KollarmError: this is no Debian or Ubuntu, or one of the steps failed.
    """
    fixes = [finding.fix for finding in report.fixable if finding.fix is not None]
    packages = list(dict.fromkeys(name for one in fixes for name in one.packages))
    scripts = list(dict.fromkeys(one.script for one in fixes if one.script))
    commands = list(dict.fromkeys(one.command for one in fixes if one.command))
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
            "packages can only be installed with apt here",
            hint=f"install by hand: {' '.join(packages)}",
        )
    with progress.current().step(f"install {' '.join(packages)}") as step:
        apt = [*as_root(), "env", *(f"{name}={value}" for name, value in QUIET.items()), "apt-get"]
        step.note("apt-get update")
        run([*apt, "-qq", "update"], timeout=LIMIT, check=False)  # what counts is the install
        step.note("apt-get install")
        run([*apt, "-qq", "-y", "--no-install-recommends", "install", *packages], timeout=LIMIT)


def as_root() -> list[str]:
    """What to put before a command so that root runs it."""
    if os.geteuid() == 0:
        return []
    if not have("sudo"):
        raise KollarmError("root's rights are needed, and there is no sudo", hint="run it as root")
    return ["sudo"]
