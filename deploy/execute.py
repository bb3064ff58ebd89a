"""Carrying out a plan, stage by stage."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

from core import files, lock, progress
from core.attestation.newest import NewestIndices
from core.errors import KollarmError
from core.kolla_ansible.toolchain import AnsibleToolchain, toolchain
from core.logs import LogFile
from core.oci.registry import RegistryClient
from core.run import run
from deploy.arm_cpus import ask, differing
from deploy.changes import FileAction
from deploy.diagnosis import remedies
from deploy.next_steps import next_steps, restrict_credentials
from deploy.passwords import PasswordsAction, apply_passwords
from deploy.plan import DeployPlan
from deploy.preflight import ImagesMissing, missing_images
from deploy.recap import EventFile
from deploy.record import NAME, DeployRecord, Journal, StageResult
from deploy.stages import PLAYBOOK, PULLING, Command, DeployStage
from deploy.verified_images import playbook, verified_digests

#: What ansible-playbook's exit statuses mean.
#: Source: https://github.com/ansible/ansible/blob/devel/lib/ansible/executor/task_queue_manager.py
_MEANING = {
    1: "Ansible or kolla-ansible's shell tool ended with an error",
    2: "a task failed",
    4: "a host can't be reached",
    6: "a task failed and a host can't be reached",
    8: "a play was aborted",
    250: "Ansible itself failed unexpectedly",
}


class StageFailed(KollarmError):
    """A stage ended with an exit status other than 0, which becomes kollarm's own.

    :param remedy: what to do before continuing, if the failures themselves don't tell.
    :param resume_command: the command that continues.
    """

    def __init__(
        self, result: StageResult, record: DeployRecord, *, remedy: str, resume_command: str
    ):
        self.record = record
        status = result.exit_status
        self.exit_status = status
        parts = []
        if result.recap:
            remedy = "; ".join(remedies(result.recap.failures)) or remedy
            parts += [f"{f.host}: {f.task}: {f.message}" for f in result.recap.failures]
            parts += [result.recap.to_text()] if result.recap.hosts else []
        if not parts and result.log:
            parts = result.log.read_text(encoding="utf-8").splitlines()[-15:]
        super().__init__(
            f"stage {result.stage.value} failed with exit status {status}: "
            f"{_MEANING.get(status, 'see its output')}",
            details="\n".join(parts) or None,
            hint=f"{remedy}, then continue with: {resume_command} (full output: {result.log})",
        )


def execute(
    plan: DeployPlan,
    *,
    client_at: Callable[[str], RegistryClient],
    confirm: Callable[[str], bool] | None = None,
    on_line: Callable[[str], None] | None = None,
    config_words: Sequence[str] = (),
) -> DeployRecord:
    """Write the files, run the stages, keep a record.

    :param client_at: returns the client of the registry at a ``host:port``.
    :param confirm: asks the user before ``destroy``; without it, destroying is refused.
    :param on_line: receives every line that kolla-ansible prints; default: standard error.
    :param config_words: the options that name the configuration file, if it isn't the default;
        for the commands that errors suggest.
    :raises StageFailed: a stage failed; its record has what ran before.
    :raises ImagesMissing: the registry doesn't have all images; nothing was pulled.
    :raises ImagesUnverified: some aren't signed as the configuration requires; as before.
    :raises KollarmError: another run uses the configuration folder.
    """
    if DeployStage.DESTROY in plan.stages:
        target = plan.options.limit or ", ".join(plan.settings.deploy.hosts)
        question = f"Destroy all containers, volumes and configuration of {target}?"
        if confirm is None or not confirm(question):
            raise KollarmError("destroy was not confirmed; nothing was done")
    folder = plan.settings.config_dir
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with lock.held(folder, "kollarm deploy"):
        tools = None
        if plan.commands or plan.passwords.action is not PasswordsAction.KEEP:
            tools = toolchain(plan.settings.release)
        started = time.monotonic()
        with progress.current().step("configuration of kolla-ansible") as step:
            _write(plan, tools)
            changed = sum(change.action is not FileAction.KEEP for change in plan.files)
            step.note(f"{changed} files changed, {plan.passwords.to_text()}")
        results = [StageResult(DeployStage.CONFIG, 0, time.monotonic() - started)]
        journal = Journal(
            folder / NAME,
            plan.digest,
            [stage.value for stage in (DeployStage.CONFIG, *plan.skipped)],
            plan.deployed,
        )
        journal.save()
        checked = False
        for command in plan.commands:
            assert tools is not None
            if command.stage in PULLING and not checked:
                preflight(plan, client_at, config_words)
                checked = True
            result = _run_stage(plan, tools, command, on_line or progress.current().say)
            if command.preparation and result.exit_status == 0:
                continue
            results.append(result)
            if result.exit_status != 0:
                raise StageFailed(
                    result,
                    _record(plan, results),
                    remedy=command.remedy,
                    resume_command=plan.resume_command(config_words),
                )
            journal.add(command.stage)
            if command.stage is DeployStage.PRECHECKS and len(plan.arm_compute) > 1:
                _compare_arm_cpus(plan, tools)
    return _record(plan, results)


def _compare_arm_cpus(plan: DeployPlan, tools: AnsibleToolchain) -> None:
    """Warn where live migration between ARM hosts would fail."""
    cpus = ask(plan.arm_compute, plan.settings.config_dir / "inventory", tools)
    if warning := differing(cpus):
        progress.current().warn(warning)


def preflight(
    plan: DeployPlan, client_at: Callable[[str], RegistryClient], config_words: Sequence[str] = ()
) -> None:
    """Check that the registry has every image that hosts will pull.

    :param config_words: as for :func:`execute`.
    :raises ImagesMissing: it doesn't have all of them.
    :raises ImagesUnverified: some aren't signed as the configuration requires.
    """
    count = len({required.image for required in plan.images})
    with progress.current().step(f"look up {count} images in the registry"):
        missing = missing_images(plan.images, client_at)
    if missing:
        raise ImagesMissing(missing, len(plan.images), config_words)
    if plan.settings.signed_by is not None:
        _verify(plan, client_at)


def _verify(plan: DeployPlan, client_at: Callable[[str], RegistryClient]) -> None:
    """Verify the images, and write the playbook that pulls what was verified.

    :raises ImagesUnverified: some aren't signed.
    """
    settings = plan.settings
    assert settings.signed_by is not None
    with progress.current().step("verify the images' signatures"):
        newest = NewestIndices(settings.state_dir)
        digests = verified_digests(plan.images, client_at, settings.signed_by, newest)
    text = playbook(plan.images, digests, engine=plan.engine, registry_user=plan.registry_user)
    files.write(settings.config_dir / PLAYBOOK, text, mode=0o600)


def _write(plan: DeployPlan, tools: AnsibleToolchain | None) -> None:
    for change in plan.files:
        change.apply()

    def call(argv: Sequence[str | Path]) -> None:
        assert tools is not None
        run([tools.program(str(argv[0])), *argv[1:]], env=_environment(tools), timeout=600)

    apply_passwords(plan.passwords, call)


def _environment(tools: AnsibleToolchain) -> dict[str, str]:
    path = f"{tools.root / 'bin'}:{os.environ.get('PATH', os.defpath)}"
    # The shell tool finds its playbooks by VIRTUAL_ENV, its programs by PATH.
    return {"PATH": path, "VIRTUAL_ENV": str(tools.root), "PYTHONUNBUFFERED": "1"}


def _run_stage(
    plan: DeployPlan, tools: AnsibleToolchain, command: Command, on_line: Callable[[str], None]
) -> StageResult:
    logs = plan.settings.config_dir / "logs"
    logs.mkdir(exist_ok=True, mode=0o700)
    log = logs / f"{command.stage.value}.log"
    started = time.monotonic()
    with (
        progress.current().step(command.stage.value) as step,
        LogFile(log) as stream,
        closing(EventFile(logs / f"{command.stage.value}.events.jsonl")) as events,
    ):

        def line(text: str) -> None:
            stream.write(text + "\n")
            where = events.read().where
            if where and where != step.text:  # each note is logged
                step.note(where)
            on_line(text)

        result = run(
            [tools.program(command.argv[0]), *command.argv[1:]],
            env=_environment(tools) | events.environment | command.env,
            check=False,
            on_line=line,
        )
        if result.status != 0:
            step.fail()
        recap = events.read().recap()
    return StageResult(command.stage, result.status, time.monotonic() - started, recap, log)


def _record(plan: DeployPlan, results: Sequence[StageResult]) -> DeployRecord:
    clouds, note = None, None
    if any(r.stage is DeployStage.POST_DEPLOY and r.exit_status == 0 for r in results):
        restrict_credentials(plan.settings.config_dir)
        path = plan.settings.config_dir / "clouds.yaml"
        clouds = path if path.is_file() else None
        note = next_steps(plan.settings)
    release = plan.settings.release
    return DeployRecord(
        release.name, release.version, plan.digest, tuple(results), plan.skipped, clouds, note
    )
