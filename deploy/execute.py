"""Doing what a plan says, stage by stage."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from core import progress
from core.errors import KollarmError
from core.kolla_ansible.toolchain import AnsibleToolchain, toolchain
from core.oci.registry import RegistryClient
from core.run import run
from deploy.next_steps import closing_note, secure
from deploy.passwords import PasswordsAction, apply_passwords
from deploy.plan import DeployPlan
from deploy.preflight import ImagesMissing, look
from deploy.recap import parse_recap
from deploy.record import NAME, DeployRecord, Journal, StageResult
from deploy.stages import PULLING, Command, DeployStage

#: What ansible-playbook's exit statuses mean.
#: Source: https://github.com/ansible/ansible/blob/devel/lib/ansible/executor/task_queue_manager.py
_MEANING = {
    1: "Ansible or the shell tool ended with an error",
    2: "a task failed",
    4: "a host can't be reached",
    6: "a task failed and a host can't be reached",
    8: "a play was ended",
    250: "Ansible itself broke",
}


#: What to do when openstack.kolla can't be fetched.
COLLECTION_REMEDY = (
    "name a git mirror of openstack.kolla, or a copy of it, in deploy.collections (mirror or path)"
)


class StageFailed(KollarmError):
    """kolla-ansible ended a stage with another status than 0, which is kept.

    :param remedy: what to do before going on, :param again: the command that goes on.
    """

    def __init__(self, result: StageResult, record: DeployRecord, *, remedy: str, again: str):
        self.record = record
        status = result.exit_status
        self.exit_status = status
        parts = []
        if result.recap:
            parts += [f"{f.host}: {f.task}: {f.message}" for f in result.recap.failures]
            parts += [result.recap.table()] if result.recap.hosts else []
        if not parts and result.log:
            parts = result.log.read_text().splitlines()[-15:]
        super().__init__(
            f"stage {result.stage.value} failed with exit status {status}: "
            f"{_MEANING.get(status, 'see its output')}",
            details="\n".join(parts) or None,
            hint=f"{remedy}, then go on with: {again} (all output: {result.log})",
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

    :param client_at: gives the client of the registry at a ``host:port``.
    :param confirm: asked before ``destroy``; without it, destroying is refused.
    :param on_line: gets every line that kolla-ansible prints; default: standard error.
    :param config_words: how a command names the configuration file, where it isn't the
        usual one; for the commands that errors suggest.
    :raises StageFailed: a stage failed; what ran is in its record.
    :raises ImagesMissing: the registry lacks images; nothing was pulled.
    """
    if DeployStage.DESTROY in plan.stages:
        question = f"Destroy all containers, volumes and configuration of {_where(plan)}?"
        if confirm is None or not confirm(question):
            raise KollarmError("destroy was not confirmed; nothing was done")
    folder = plan.given.config_dir
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _alone(folder):
        tools = None
        if plan.commands or plan.passwords.action is not PasswordsAction.KEEP:
            tools = toolchain(plan.given.release)
        started = time.monotonic()
        with progress.current().step("configuration of kolla-ansible") as step:
            _write(plan, tools)
            changed = sum(change.action != "keep" for change in plan.files)
            step.note(f"{changed} files changed, {plan.passwords}")
        results = [StageResult(DeployStage.CONFIG, 0, time.monotonic() - started)]
        journal = Journal(
            folder / NAME,
            plan.digest,
            [stage.value for stage in (DeployStage.CONFIG, *plan.skipped)],
            plan.deployed,
        )
        journal.save()
        looked = False
        for command in plan.commands:
            assert tools is not None
            if command.stage in PULLING and not looked:
                preflight(plan, client_at, config_words)
                looked = True
            result = _run_stage(plan, tools, command, on_line or progress.current().say)
            own = command.argv[0] == "kolla-ansible"
            if not own and result.exit_status == 0:
                continue  # a preparation, not the stage itself
            results.append(result)
            if result.exit_status != 0:
                raise StageFailed(
                    result,
                    _record(plan, results),
                    remedy="mend it" if own else COLLECTION_REMEDY,
                    again=plan.again(config_words),
                )
            journal.add(command.stage)
    return _record(plan, results)


def preflight(
    plan: DeployPlan, client_at: Callable[[str], RegistryClient], config_words: Sequence[str] = ()
) -> None:
    """Prove that the registry holds every image that hosts will pull.

    :param config_words: as for :func:`execute`.
    :raises ImagesMissing: it doesn't.
    """
    count = len({one.image for one in plan.images})
    with progress.current().step(f"look up {count} images in the registry"):
        missing = look(plan.images, client_at)
    if missing:
        raise ImagesMissing(missing, len(plan.images), config_words)


def _where(plan: DeployPlan) -> str:
    hosts = ", ".join(plan.given.deploy.hosts)
    return plan.options.limit or hosts


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
    log = plan.given.config_dir / "logs" / f"{command.stage.value}.log"
    log.parent.mkdir(exist_ok=True, mode=0o700)
    started = time.monotonic()
    with (
        progress.current().step(command.stage.value) as step,
        os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream,
    ):

        def line(text: str) -> None:
            stream.write(text + "\n")
            if text.startswith("TASK ["):
                step.note(text[6:].split("]", maxsplit=1)[0])
            on_line(text)

        done = run(
            [tools.program(command.argv[0]), *command.argv[1:]],
            env=_environment(tools) | command.env,
            check=False,
            on_line=line,
        )
        if done.status != 0:
            step.fail()
    return StageResult(
        command.stage,
        done.status,
        time.monotonic() - started,
        parse_recap((done.stdout + done.stderr).splitlines()),
        log,
    )


def _record(plan: DeployPlan, results: Sequence[StageResult]) -> DeployRecord:
    clouds, note = None, None
    if any(r.stage is DeployStage.POST_DEPLOY and r.exit_status == 0 for r in results):
        secure(plan.given.config_dir)
        found = plan.given.config_dir / "clouds.yaml"
        clouds = found if found.is_file() else None
        note = closing_note(plan.given)
    release = plan.given.release
    return DeployRecord(
        release.name, release.version, plan.digest, tuple(results), plan.skipped, clouds, note
    )


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep a second deployment with the same configuration folder out."""
    with (folder / ".lock").open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise KollarmError(
                f"another kollarm deploy is at work in {folder}", hint="wait until it has ended"
            ) from None
        yield
