"""The stages of a deployment and the exact command of each."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from core.kolla_ansible.release_files import ReleaseFiles
from deploy.settings import Settings


class DeployStage(StrEnum):
    """A step of deploying, by the name of kolla-ansible's command."""

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


#: What runs when no stage is named, in this order.
DEFAULT_STAGES = (
    DeployStage.CONFIG,
    DeployStage.BOOTSTRAP_SERVERS,
    DeployStage.PRECHECKS,
    DeployStage.PULL,
    DeployStage.DEPLOY,
    DeployStage.POST_DEPLOY,
)

#: Stages that pull images, before the first of which the registry is looked into.
PULLING = (DeployStage.PULL, DeployStage.DEPLOY, DeployStage.RECONFIGURE, DeployStage.UPGRADE)


@dataclass(frozen=True)
class AnsibleOptions:
    """What is passed on to kolla-ansible."""

    limit: str | None = None
    tags: tuple[str, ...] = ()
    skip_tags: tuple[str, ...] = ()
    check: bool = False

    @property
    def words(self) -> tuple[str, ...]:
        """As ``kollarm deploy`` takes them."""
        limit = ("--limit", self.limit) if self.limit else ()
        tags = (word for tag in self.tags for word in ("--tags", tag))
        skipped = (word for tag in self.skip_tags for word in ("--skip-tags", tag))
        return (*limit, *tags, *skipped, *(("--check",) if self.check else ()))


@dataclass(frozen=True)
class Command:
    """A program of the release's environment, with arguments and variables."""

    stage: DeployStage
    argv: tuple[str, ...]
    """Its name (found in the environment's ``bin``) and arguments; no secrets."""
    env: dict[str, str] = field(default_factory=dict)
    """Variables on top of the usual ones."""

    @property
    def line(self) -> str:
        """The command as a shell takes it."""
        words = [f"{name}={shlex.quote(value)}" for name, value in self.env.items()]
        return " ".join([*words, shlex.join(self.argv)])


def ansible_environment(given: Settings) -> dict[str, str]:
    """Variables for every Ansible program: our collections, no colours in what is parsed."""
    return {
        "ANSIBLE_COLLECTIONS_PATH": f"{collections_folder(given)}:/usr/share/ansible/collections",
        "ANSIBLE_NOCOLOR": "1",
    }


def collections_folder(given: Settings) -> Path:
    """Where openstack.kolla is installed: beside the configuration, one for each release."""
    return given.config_dir / "collections" / given.release.name


def stage_command(
    given: Settings, tree: ReleaseFiles, stage: DeployStage, options: AnsibleOptions
) -> Command:
    """kolla-ansible's command for a stage.

    The Python tool is never given ``--passwords``: it checks the file and then ignores
    it, so passwords.yml always lies in the configuration folder.
    """
    env = ansible_environment(given)
    passed: list[str] = []
    # post-deploy works on the deploying host alone, which a limit would leave out.
    if stage is not DeployStage.POST_DEPLOY:
        if options.limit:
            passed += ["--limit", options.limit]
        if options.tags:
            passed += ["--tags", ",".join(options.tags)]
        if options.skip_tags:
            passed += ["--skip-tags", ",".join(options.skip_tags)]
    if options.check:
        if not tree.script or "--check, -C" in tree.script:
            passed += ["--check"]
        else:  # an older shell tool hands EXTRA_OPTS on to ansible-playbook
            env["EXTRA_OPTS"] = "--check"
    if stage is DeployStage.DESTROY:
        # kollarm itself has asked.
        passed += ["--yes-i-really-really-mean-it"]
    where = ["-i", str(given.inventory), "--configdir", str(given.config_dir)]
    if tree.script:
        # Rocky's tool settles on /etc/kolla/passwords.yml before it reads --configdir.
        where += ["--passwords", str(given.config_dir / "passwords.yml")]
    # The Python tool takes its command first, and the shell tool's getopt doesn't mind.
    return Command(stage, ("kolla-ansible", stage.value, *where, *passed), env)


def collection_command(given: Settings, tree: ReleaseFiles, installed: bool) -> Command | None:
    """The installation of openstack.kolla, where the release wants it and it isn't there.

    Everything else that the release requires is in the ``ansible`` package
    already, hence ``--no-deps``: nothing is asked of Ansible Galaxy.
    """
    if installed or tree.kolla_collection is None:
        return None
    repository, branch = tree.kolla_collection
    wanted = given.deploy.collections
    source = str(wanted.path) if wanted.path else f"git+{wanted.mirror or repository},{branch}"
    folder = str(collections_folder(given))
    return Command(
        DeployStage.BOOTSTRAP_SERVERS,
        ("ansible-galaxy", "collection", "install", "--no-deps", "--force", "-p", folder, source),
        ansible_environment(given),
    )
