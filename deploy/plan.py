"""The plan of a deployment, made from the configuration and the present files."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from core import cache
from core.config.deploy import Deploy
from core.config.model import Architecture, Config
from core.errors import ConfigError, counted
from deploy import changes
from deploy.changes import FileAction, FileChange
from deploy.facts import DeployFacts, gather, unsupported, user_globals_d
from deploy.globals import effective_globals, globals_files
from deploy.inventory import compute_hosts, inventory_files, unread_interfaces
from deploy.nova_options import option_files, wanted_options
from deploy.passwords import PasswordsPlan
from deploy.placement import misplaced_variables, unknown_variables
from deploy.preflight import RequiredImage
from deploy.record import PreviousRun
from deploy.required_images import required_images
from deploy.settings import Settings, resolved_hosts, settings_for
from deploy.stages import (
    DEFAULT_STAGES,
    PULLING,
    AnsibleOptions,
    Command,
    DeployStage,
    collection_command,
    stage_command,
)
from deploy.verified_images import pulling_command


@dataclass(frozen=True)
class DeployPlan:
    """Everything that ``kollarm deploy`` is about to do."""

    settings: Settings
    options: AnsibleOptions
    digest: str
    stages: tuple[DeployStage, ...]
    """The stages to run, in order."""
    skipped: tuple[DeployStage, ...]
    """Requested stages that an earlier run finished."""
    files: tuple[FileChange, ...]
    passwords: PasswordsPlan
    commands: tuple[Command, ...]
    images: tuple[RequiredImage, ...]
    """What the hosts will pull, looked up before the first stage that pulls."""
    notes: tuple[str, ...]
    """What the user should know, one sentence each."""
    deployed: bool
    """Whether the stage deploy ever succeeded."""
    requested: tuple[DeployStage, ...]
    """The stages that the user named, or the default ones."""
    engine: str = "docker"
    """The hosts' container engine."""
    arm_compute: tuple[str, ...] = ()
    """The compute hosts of that architecture."""
    registry_user: str | None = None
    """The user who logs in to the registry, with the password in passwords.yml."""

    def resume_command(self, config_words: Sequence[str] = ()) -> str:
        """The command that continues with the stage that failed.

        :param config_words: the options that name the configuration file, if it isn't the default.
        """
        stages = () if self.requested == DEFAULT_STAGES else self.requested
        words = ["kollarm", "deploy", *stages, *self.options.words, *config_words, "--resume"]
        return shlex.join(words)

    def to_dict(self) -> dict[str, object]:
        """The plan as plain data, without any password."""
        return {
            "release": self.settings.release.name,
            "environment": list(self.settings.release.requirements),
            "config_dir": str(self.settings.config_dir),
            "stages": [stage.value for stage in self.stages],
            "skipped": [stage.value for stage in self.skipped],
            "files": [change.to_dict() for change in self.files],
            "passwords": self.passwords.to_dict(),
            "commands": [command.to_dict() for command in self.commands],
            "images": [image.to_dict() for image in self.images],
            "notes": list(self.notes),
        }

    def to_text(self) -> str:
        """The plan for a person: the changed files as diffs, then the exact commands."""
        lines = [f"# {self.settings.release.name}: {', '.join(self.settings.release.requirements)}"]
        lines += [f"# note: {note}" for note in self.notes]
        for change in self.files:
            if change.action is not FileAction.KEEP:
                lines += [f"# {change.action} {change.path}", change.diff]
        unchanged = sum(change.action is FileAction.KEEP for change in self.files)
        if unchanged:
            lines.append(f"# {unchanged} files unchanged in {self.settings.config_dir}")
        lines.append(f"# {self.passwords.to_text()}")
        lines += [f"# {stage.value}: done by an earlier run" for stage in self.skipped]
        preflight = self._preflight()
        for command in self.commands:
            if command.stage in PULLING:
                lines += preflight
                preflight = []
            lines.append(command.line)
        return "\n".join(lines) + "\n"

    def _preflight(self) -> list[str]:
        count = len({required.image for required in self.images})
        verifying = ", and verify who signed them" if self.settings.signed_by else ""
        return [
            f"# look up {count} images in the registry{verifying}:",
            *(
                f"#   {required.image} ({required.architecture.oci}): {', '.join(required.hosts)}"
                for required in self.images
            ),
        ]


def plan(
    config: Config,
    deploy: Deploy,
    stages: Sequence[DeployStage | str] = (),
    *,
    options: AnsibleOptions | None = None,
    resume: bool = False,
) -> DeployPlan:
    """Make the plan; the release's files are downloaded if needed, nothing else changes.

    :param stages: which stages, in this order; none: the default ones.
    :param resume: leave out stages that an earlier run of the same configuration finished.
    :raises ConfigError: the deploy section is wrong; with every fault in it.
    """
    settings = settings_for(config, deploy)
    return make_plan(
        settings, gather(settings), named_stages(stages), options or AnsibleOptions(), resume=resume
    )


def named_stages(stages: Sequence[DeployStage | str]) -> tuple[DeployStage, ...]:
    """The stages by name.

    :raises ConfigError: there is no such stage.
    """
    known = {stage.value: stage for stage in DeployStage}
    unknown = [str(name) for name in stages if str(name) not in known]
    if unknown:
        raise ConfigError(
            f"no such stage: {', '.join(unknown)}", hint=f"stages: {', '.join(known)}"
        )
    return tuple(known[str(name)] for name in stages) or DEFAULT_STAGES


def make_plan(
    settings: Settings,
    facts: DeployFacts,
    stages: Sequence[DeployStage],
    options: AnsibleOptions,
    *,
    resume: bool,
) -> DeployPlan:
    """The plan, from plain data alone.

    :raises ConfigError: as :func:`plan`.
    """
    tree = facts.tree
    hosts = resolved_hosts(settings)
    wanted = globals_files(settings, tree) | {
        f"inventory/{name}": text for name, text in inventory_files(settings, tree, hosts).items()
    }
    files, nova_notes = option_files(
        settings, tuple(wanted_options(settings, tree, hosts)), facts.custom
    )
    wanted |= files
    globals_d, faults = user_globals_d(settings, tree, facts.present)
    faults += misplaced_variables(settings, tree, hosts, globals_d)
    faults += changes.foreign_files(settings.config_dir, wanted, facts.present)
    faults += unsupported(settings, facts, stages)
    if faults:
        raise ConfigError(f"the deploy section has {counted(len(faults), 'error')}", faults)
    digest = cache.digest(
        {
            "files": wanted,
            "dropped_in": {name: dict(variables) for name, variables in globals_d.items()},
            "requirements": settings.release.requirements,
            "options": [options.limit, options.tags, options.skip_tags, options.check],
        }
    )
    skipped = _already_done(stages, facts.previous, digest) if resume else ()
    remaining = tuple(stage for stage in stages if stage not in skipped)
    images, undetermined = required_images(settings, tree, hosts, options, globals_d)
    chosen = dict(effective_globals(settings, tree))
    for variables in globals_d.values():
        chosen |= dict(variables)
    user = chosen.get("docker_registry_username") or None
    notes = [
        *unknown_variables(settings, tree),
        *(
            f"{name}: kolla-ansible {settings.release.version} has no such variable; it is left out"
            for name in unread_interfaces(tree, hosts)
        ),
        *undetermined,
        *nova_notes,
    ]
    if DeployStage.POST_DEPLOY in remaining and (options.limit or options.tags):
        notes.append("post-deploy runs on this machine only, without --limit and --tags")
    return DeployPlan(
        settings=settings,
        options=options,
        digest=digest,
        stages=remaining,
        skipped=skipped,
        files=changes.compare(settings.config_dir, wanted, facts.present),
        passwords=facts.passwords,
        commands=_commands(settings, facts, remaining, options, login=user is not None),
        images=images if any(stage in PULLING for stage in remaining) else (),
        notes=tuple(notes),
        deployed=facts.previous.deployed,
        requested=tuple(stages),
        engine=str(chosen.get("kolla_container_engine") or "docker"),
        arm_compute=tuple(
            host.name
            for host in compute_hosts(settings, tree, hosts)
            if host.architecture is Architecture.AARCH64
        ),
        registry_user=str(user) if user is not None else None,
    )


def _commands(
    settings: Settings,
    facts: DeployFacts,
    stages: Sequence[DeployStage],
    options: AnsibleOptions,
    *,
    login: bool,
) -> tuple[Command, ...]:
    commands: list[Command] = []
    pulled = False
    for stage in stages:
        if stage is DeployStage.BOOTSTRAP_SERVERS:
            install = collection_command(settings, facts.tree, facts.has_collection)
            commands += [install] if install else []
        if stage in PULLING and settings.signed_by is not None and not pulled:
            commands.append(pulling_command(settings, stage, options, login=login))
            pulled = True
            if stage is DeployStage.PULL:
                continue  # kolla-ansible itself would pull by tag
        if stage is not DeployStage.CONFIG:
            commands.append(stage_command(settings, facts.tree, stage, options))
    return tuple(commands)


def _already_done(
    stages: Sequence[DeployStage], previous: PreviousRun, digest: str
) -> tuple[DeployStage, ...]:
    """The leading stages that an earlier run finished; the stage config is never among them."""
    if previous.digest != digest:
        return ()
    done: list[DeployStage] = []
    for stage in stages:
        if stage is DeployStage.CONFIG:
            continue
        if stage.value not in previous.done:
            break
        done.append(stage)
    return tuple(done)
