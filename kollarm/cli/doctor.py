"""``kollarm doctor``: check this machine and its services, with a remedy for each problem."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from core.config.model import Config
from kollarm import doctor
from kollarm.cli.common import optional_config, show, with_config, with_json


@click.command("doctor")
@click.option(
    "--fix",
    is_flag=True,
    help="Install missing packages and start stopped services where possible.",
)
@with_config
@with_json
def doctor_command(fix: bool, config_path: Path, as_json: bool) -> None:
    """Check this machine and its services; suggest a fix for each problem.

    Only what the configuration needs is checked; without one, what the defaults need.
    The exit status is 1 if something is missing and a run would fail.
    """
    config = optional_config(config_path) or Config()
    report = doctor.examine(config)
    if fix and report.fixable:
        doctor.fix(report)
        report = doctor.examine(config)
    if fix:
        # what is still missing, --fix can't fix
        rest = [dataclasses.replace(finding, fix=None) for finding in report.findings]
        report = doctor.DoctorReport(tuple(rest))
    show(report, as_json=as_json)
    if report.missing:
        raise click.exceptions.Exit(1)
