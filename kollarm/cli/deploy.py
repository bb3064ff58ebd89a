"""``kollarm deploy``: kolla-ansible for the configuration's cloud."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import click

import deploy
from core.config.model import Config
from core.errors import ConfigError, KollarmError
from core.oci.client import client_for
from kollarm import report
from kollarm.cli.common import (
    alone,
    config_words,
    print_json,
    print_text,
    read_config,
    show,
    with_config,
    with_dry_run,
    with_json,
)
from kollarm.console_proof import deployment
from kollarm.services.registry import start_registry


@click.command("deploy")
@click.argument("stages", nargs=-1, metavar="[STAGE]…")
@click.option("--resume", is_flag=True, help="Continue with the stage that failed.")
@click.option("--limit", metavar="PATTERN", help="Deploy only to these hosts (an Ansible pattern).")
@click.option(
    "--tags", metavar="TAG", multiple=True, help="Run only the tasks with this tag. Repeatable."
)
@click.option(
    "--skip-tags", metavar="TAG", multiple=True, help="Skip the tasks with this tag. Repeatable."
)
@click.option(
    "--check", is_flag=True, help="Let Ansible report what it would change; change nothing."
)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation before destroy.")
@with_config
@with_dry_run
@with_json
def deploy_command(
    stages: tuple[str, ...],
    resume: bool,
    limit: str | None,
    tags: tuple[str, ...],
    skip_tags: tuple[str, ...],
    check: bool,
    yes: bool,
    config_path: Path,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Deploy the cloud of the configuration's deploy section with kolla-ansible.

    STAGE is config, bootstrap-servers, prechecks, pull, deploy, post-deploy (all of these
    by default), genconfig, reconfigure, upgrade, destroy or proof. The stage proof proves a
    guest's console on each architecture of the cloud; it is the last of the default stages
    if deploy.proof is configured.
    """
    config = read_config(config_path)
    if config.deploy is None:
        raise ConfigError(
            f"{config_path} has no deploy section",
            hint="start from examples/hybrid-2026.1-debian.yml",
        )
    proving = deployment.NAME in stages or (
        not stages and not check and config.deploy.proof is not None
    )
    if proving:
        deployment.proof_specs(config.deploy, config.state_dir)  # errors before an hour's work
    if stages == (deployment.NAME,):
        _prove(config, dry_run=dry_run, as_json=as_json)
        return
    stages = tuple(stage for stage in stages if stage != deployment.NAME)
    options = deploy.AnsibleOptions(limit=limit, tags=tags, skip_tags=skip_tags, check=check)
    plan = deploy.plan(config, config.deploy, stages, options=options, resume=resume)
    if dry_run:
        show(plan, as_json=as_json)
        if proving and not as_json:
            _prove(config, dry_run=True, as_json=False)
        return
    with alone(config):
        start_registry(config)
        try:
            record = deploy.execute(
                plan,
                client_at=partial(client_for, config),
                confirm=lambda question: yes or _confirm(question),
                config_words=config_words(config_path),
            )
        except deploy.StageFailed as error:
            report.write_deployment(config, error.record)
            raise
        report.write_deployment(config, record)
    if not (proving and as_json):
        show(record, as_json=as_json)
    if proving:
        _prove(config, as_json=as_json, stages=record.to_dict())


def _prove(
    config: Config, *, as_json: bool, dry_run: bool = False, stages: dict[str, object] | None = None
) -> None:
    """The stage ``proof``.

    :param stages: the record of the stages before it, part of the one JSON document.
    """
    assert config.deploy is not None
    if dry_run:
        specs = deployment.proof_specs(config.deploy, config.state_dir)
        if as_json:
            print_json({"proofs": {arch.value: spec.image for arch, spec in specs.items()}})
        else:
            for arch, spec in specs.items():
                print_text(f"prove the console of {spec.image} ({arch.value})")
        return
    with alone(config):
        proof = deployment.prove_deployment(config, config.deploy)
        page = report.write_consoles(config, proof.reports)
    if as_json:
        print_json((stages or {}) | {"proof": proof.to_dict() | {"report": str(page)}})
    else:
        print_text(f"{proof.to_text()}\nthe report: {page}")
    if not proof.passed:
        raise KollarmError("the console does not work on every architecture", hint="see above")


def _confirm(question: str) -> bool:
    if not sys.stdin.isatty():
        raise ConfigError(
            "destroying a cloud requires confirmation, and there is no terminal to ask at",
            hint="confirm it with --yes",
        )
    return click.confirm(question, err=True)
