"""The stages of a deployment and the exact command of each."""

from __future__ import annotations

import os
import shlex
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path

from core.kolla_ansible.release_files import ReleaseFiles
from deploy.settings import Settings


class DeployStage(StrEnum):
    """A stage of a deployment; the values are kolla-ansible's commands."""

    CONFIG = "config"
    BOOTSTRAP_SERVERS = "bootstrap-servers"
    PRECHECKS = "prechecks"
    PULL = "pull"
    DEPLOY = "deploy"
    POST_DEPLOY = "post-deploy"
    GENCONFIG = "genconfig"
    RECONFIGURE = "reconfigure"
    UPGRADE = "upgrade"
    DESTROY = "destroy"


#: The stages that run if none is named, in this order.
DEFAULT_STAGES = (
    DeployStage.CONFIG,
    DeployStage.BOOTSTRAP_SERVERS,
    DeployStage.PRECHECKS,
    DeployStage.PULL,
    DeployStage.DEPLOY,
    DeployStage.POST_DEPLOY,
)

#: Stages that pull images; before the first of them the registry is checked.
PULLING = (DeployStage.PULL, DeployStage.DEPLOY, DeployStage.RECONFIGURE, DeployStage.UPGRADE)


#: In the configuration folder: pulls the images that were verified, by their digest.
PLAYBOOK = "verified-images.yml"

#: What to do if openstack.kolla can't be downloaded.
COLLECTION_REMEDY = (
    "set deploy.collections to a git mirror of openstack.kolla (mirror) or a local copy (path)"
)


@dataclass(frozen=True)
class AnsibleOptions:
    """Options that are passed on to kolla-ansible."""

    limit: str | None = None
    tags: tuple[str, ...] = ()
    skip_tags: tuple[str, ...] = ()
    check: bool = False

    @property
    def words(self) -> tuple[str, ...]:
        """The options of ``kollarm deploy``."""
        limit = ("--limit", self.limit) if self.limit else ()
        tags = (word for tag in self.tags for word in ("--tags", tag))
        skipped = (word for tag in self.skip_tags for word in ("--skip-tags", tag))
        return (*limit, *tags, *skipped, *(("--check",) if self.check else ()))


@dataclass(frozen=True)
class Command:
    """A command to run in the release's environment."""

    stage: DeployStage
    argv: tuple[str, ...]
    """The program, found in the environment's ``bin``, and its arguments; no secrets."""
    env: dict[str, str] = field(default_factory=dict)
    """Environment variables that it needs."""
    preparation: bool = False
    """It isn't the stage itself, but goes before it."""
    remedy: str = "fix it"
    """What to do if it fails, before continuing."""

    @property
    def line(self) -> str:
        """The command as it is typed in a shell."""
        words = [f"{name}={shlex.quote(value)}" for name, value in self.env.items()]
        return " ".join([*words, shlex.join(self.argv)])

    def to_dict(self) -> dict[str, object]:
        plain = asdict(self)
        return {name: plain[name] for name in ("stage", "argv", "env")} | {"line": self.line}


def ansible_environment(settings: Settings) -> dict[str, str]:
    """Environment variables for Ansible's programs: where collections are, and no colours."""
    folder = collections_folder(settings)
    return {
        "ANSIBLE_COLLECTIONS_PATH": f"{folder}:/usr/share/ansible/collections",
        "ANSIBLE_NOCOLOR": "1",
        # one connection per task instead of several; what kolla-ansible recommends itself
        "ANSIBLE_PIPELINING": os.environ.get("ANSIBLE_PIPELINING", "True"),
    }


def collections_folder(settings: Settings) -> Path:
    """Where the collection openstack.kolla is installed: a folder for each release."""
    return settings.config_dir / "collections" / settings.release.name


def limiting(options: AnsibleOptions) -> list[str]:
    """Ansible's option for the hosts."""
    return ["--limit", options.limit] if options.limit else []


def stage_command(
    settings: Settings, tree: ReleaseFiles, stage: DeployStage, options: AnsibleOptions
) -> Command:
    """kolla-ansible's command for a stage.

    ``--passwords`` is not passed to the Python tool, which checks that file but doesn't use it:
    passwords.yml is always in the configuration folder.
    """
    env = ansible_environment(settings)
    flags: list[str] = []
    if stage is DeployStage.DESTROY and "localhost" not in settings.deploy.hosts:
        # Its play is for all hosts of the inventory, also for this machine, whose containers are
        # no part of the cloud.
        options = replace(options, limit=f"{options.limit or 'all'}:!localhost")
    # post-deploy runs on localhost only, which --limit would exclude.
    if stage is not DeployStage.POST_DEPLOY:
        flags += limiting(options)
        if options.tags:
            flags += ["--tags", ",".join(options.tags)]
        if options.skip_tags:
            flags += ["--skip-tags", ",".join(options.skip_tags)]
    if options.check:
        if not tree.script or "--check, -C" in tree.script:
            flags += ["--check"]
        else:  # older shell tools pass EXTRA_OPTS on to ansible-playbook
            env["EXTRA_OPTS"] = "--check"
    if stage is DeployStage.DESTROY:
        # kollarm itself has already asked.
        flags += ["--yes-i-really-really-mean-it"]
    where = ["-i", str(settings.inventory), "--configdir", str(settings.config_dir)]
    if tree.script:
        # Rocky's shell tool would use /etc/kolla/passwords.yml, whatever --configdir says.
        where += ["--passwords", str(settings.config_dir / "passwords.yml")]
    # The Python tool requires the command first; the shell tool accepts that too.
    return Command(stage, ("kolla-ansible", stage.value, *where, *flags), env)


def collection_command(settings: Settings, tree: ReleaseFiles, installed: bool) -> Command | None:
    """The command that installs openstack.kolla; None if it isn't needed or is installed.

    All other collections that the release requires are in the ``ansible`` package, hence
    ``--no-deps``: Ansible Galaxy is not used.
    """
    if installed or tree.kolla_collection is None:
        return None
    repository, branch = tree.kolla_collection
    copy = settings.deploy.collections
    source = str(copy.path) if copy.path else f"git+{copy.mirror or repository},{branch}"
    folder = str(collections_folder(settings))
    return Command(
        DeployStage.BOOTSTRAP_SERVERS,
        ("ansible-galaxy", "collection", "install", "--no-deps", "--force", "-p", folder, source),
        ansible_environment(settings),
        preparation=True,
        remedy=COLLECTION_REMEDY,
    )
