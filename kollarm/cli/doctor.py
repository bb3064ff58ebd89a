"""``kollarm doctor``: what is lacking, each with its remedy."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from core.config.model import Config
from kollarm import doctor
from kollarm.cli.common import optional_config, print_json, print_text, with_config, with_json


@click.command("doctor")
@click.option("--fix", is_flag=True, help="Install and start what is lacking, where that does it.")
@with_config
@with_json
def doctor_command(fix: bool, config_path: Path, as_json: bool) -> None:
    """Say what this machine, its engines, the registry and the cloud lack.

    What the configuration asks for decides what is looked at; without a
    configuration, kollarm's defaults do. Each line that needs one has its remedy.
    The exit status is 1 when something is lacking without which a run would fail.
    """
    config = optional_config(config_path) or Config()
    report = doctor.examine(config)
    if fix and report.fixable:
        doctor.fix(report)
        report = doctor.examine(config)
    if fix:
        rest = [dataclasses.replace(finding, fix=None) for finding in report.findings]
        report = doctor.DoctorReport(tuple(rest))
    print_json(report.to_dict()) if as_json else print_text("\n".join(report.lines()))
    if report.lacking:
        raise click.exceptions.Exit(1)
