"""The plan of a deployment: from the configuration and what is there, nothing is changed."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from core import cache
from core.config.deploy import Deploy
from core.config.model import Config
from core.errors import ConfigError
from core.kolla_ansible.release_files import ReleaseFiles
from deploy import changes
from deploy.changes import FileChange
from deploy.facts import DeployFacts, dropped_in, gather, impossible
from deploy.globals import globals_files
from deploy.inventory import inventory_files, unread_interfaces
from deploy.passwords import PasswordsPlan
from deploy.placement import misplaced, unknown_variables
from deploy.preflight import RequiredImage
from deploy.record import PreviousRun
from deploy.required_images import needed_images
from deploy.settings import Settings, machines, settings
from deploy.stages import (
    DEFAULT_STAGES,
    PULLING,
    AnsibleOptions,
    Command,
    DeployStage,
    collection_command,
    stage_command,
)


@dataclass(frozen=True)
class DeployPlan:
    """Everything that ``kollarm deploy`` is about to do."""

    given: Settings
    options: AnsibleOptions
    digest: str
    stages: tuple[DeployStage, ...]
    """What will run; ``skipped`` was done by an earlier run, and ``requested`` is what was asked
    for.
    """
    skipped: tuple[DeployStage, ...]
    files: tuple[FileChange, ...]
    passwords: PasswordsPlan
    commands: tuple[Command, ...]
    images: tuple[RequiredImage, ...]
    """What hosts will pull, looked up before the first pulling stage."""
    notes: tuple[str, ...]
    deployed: bool
    requested: tuple[DeployStage, ...]

    def again(self, config_words: Sequence[str] = ()) -> str:
        """The command that goes on with the stage that failed: the same one, resumed.

        :param config_words: that name the configuration file, where it isn't the usual one.
        """
        stages = () if self.requested == DEFAULT_STAGES else self.requested
        words = ["kollarm", "deploy", *stages, *self.options.words, *config_words, "--resume"]
        return shlex.join(words)

    def to_dict(self) -> dict[str, object]:
        """The plan as plain data, without a single password."""
        return {
            "release": self.given.release.name,
            "environment": list(self.given.release.requirements),
            "config_dir": str(self.given.config_dir),
            "stages": [stage.value for stage in self.stages],
            "skipped": [stage.value for stage in self.skipped],
            "files": [change.to_dict() for change in self.files],
            "passwords": {
                "path": str(self.passwords.path),
                "action": self.passwords.action.value,
                "added": list(self.passwords.added),
            },
            "commands": [
                {"stage": c.stage.value, "argv": list(c.argv), "env": c.env, "line": c.line}
                for c in self.commands
            ],
            "images": [
                {
                    "image": one.image,
                    "name": one.name,
                    "architecture": one.architecture.value,
                    "hosts": list(one.hosts),
                }
                for one in self.images
            ],
            "notes": list(self.notes),
        }

    def to_text(self) -> str:
        """The plan for a person: files as a diff, then the exact commands."""
        lines = [f"# {self.given.release.name}: {', '.join(self.given.release.requirements)}"]
        lines += [f"# note: {note}" for note in self.notes]
        for change in self.files:
            if change.action != "keep":
                lines += [f"# {change.action} {change.path}", change.diff]
        unchanged = sum(change.action == "keep" for change in self.files)
        if unchanged:
            lines.append(f"# {unchanged} files unchanged in {self.given.config_dir}")
        lines.append(f"# {self.passwords}")
        lines += [f"# {stage.value}: done by an earlier run" for stage in self.skipped]
        seen = False
        for command in self.commands:
            if not seen and command.stage in PULLING:
                seen = True
                lines += self._preflight()
            lines.append(command.line)
        return "\n".join(lines) + "\n"

    def _preflight(self) -> list[str]:
        count = len({one.image for one in self.images})
        lines = [f"# look up {count} images in the registry:"]
        return lines + [
            f"#   {one.image} ({one.architecture.oci}): {', '.join(one.hosts)}"
            for one in self.images
        ]


def plan(
    config: Config,
    deploy: Deploy,
    stages: Sequence[DeployStage | str] = (),
    *,
    options: AnsibleOptions | None = None,
    resume: bool = False,
) -> DeployPlan:
    """Work out what deploying means now: reads files, downloads the release's, changes nothing.

    :param stages: which stages, in this order; none: all of the usual ones.
    :param resume: leave out stages that an earlier run of the same configuration finished.
    :raises ConfigError: with every fault of the deploy section.
    """
    given = settings(config, deploy)
    return make_plan(
        given, gather(given), chosen(stages), options or AnsibleOptions(), resume=resume
    )


def chosen(stages: Sequence[DeployStage | str]) -> tuple[DeployStage, ...]:
    """The stages by name.

    :raises ConfigError: there is no such stage.
    """
    known = {stage.value: stage for stage in DeployStage}
    wrong = [str(name) for name in stages if str(name) not in known]
    if wrong:
        raise ConfigError(f"no such stage: {', '.join(wrong)}", hint=f"stages: {', '.join(known)}")
    return tuple(known[str(name)] for name in stages) or DEFAULT_STAGES


def make_plan(
    given: Settings,
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
    hosts = machines(given)
    wanted = globals_files(given, tree) | {
        f"inventory/{name}": text for name, text in inventory_files(given, tree, hosts).items()
    }
    extra, faults = dropped_in(given, tree, facts.present)
    faults += misplaced(given, tree, hosts, extra)
    faults += changes.strangers(given.config_dir, wanted, facts.present)
    faults += impossible(given, facts, stages)
    if faults:
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        raise ConfigError(f"the deploy section has {count}", faults)
    digest = cache.digest(
        {
            "files": wanted,
            "dropped_in": {name: dict(variables) for name, variables in extra.items()},
            "requirements": given.release.requirements,
            "options": [options.limit, options.tags, options.skip_tags, options.check],
        }
    )
    skipped = _already_done(stages, facts.earlier, digest) if resume else ()
    left = tuple(stage for stage in stages if stage not in skipped)
    needed, untold = needed_images(given, tree, hosts, options, extra)
    notes = [
        *unknown_variables(given, tree),
        *(
            f"{name}: kolla-ansible {given.release.version} has no such variable; not written"
            for name in unread_interfaces(tree, hosts)
        ),
        *untold,
    ]
    if DeployStage.POST_DEPLOY in left and (options.limit or options.tags):
        notes.append("post-deploy works on this machine alone: limit and tags aren't passed to it")
    return DeployPlan(
        given,
        options,
        digest,
        left,
        skipped,
        changes.compare(given.config_dir, wanted, facts.present),
        facts.passwords,
        _commands(given, tree, left, options, facts.collection),
        needed if any(stage in PULLING for stage in left) else (),
        tuple(notes),
        facts.earlier.deployed,
        tuple(stages),
    )


def _commands(
    given: Settings,
    tree: ReleaseFiles,
    stages: Sequence[DeployStage],
    options: AnsibleOptions,
    collection: bool,
) -> tuple[Command, ...]:
    commands: list[Command] = []
    for stage in stages:
        if stage is DeployStage.BOOTSTRAP_SERVERS:
            install = collection_command(given, tree, collection)
            commands += [install] if install else []
        if stage is not DeployStage.CONFIG:
            commands.append(stage_command(given, tree, stage, options))
    return tuple(commands)


def _already_done(
    stages: Sequence[DeployStage], before: PreviousRun, digest: str
) -> tuple[DeployStage, ...]:
    """The leading stages that needn't run again; writing the configuration always does."""
    if before.digest != digest:
        return ()
    done: list[DeployStage] = []
    for stage in stages:
        if stage is DeployStage.CONFIG:
            continue
        if stage.value not in before.done:
            break
        done.append(stage)
    return tuple(done)
