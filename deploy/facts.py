"""What a plan is made from, besides the configuration: read once, then plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from pydantic import JsonValue

from core.errors import Fault
from core.kolla_ansible.release_files import ReleaseFiles
from core.kolla_ansible.toolchain import tree_of
from deploy import changes
from deploy.inventory import HEADER
from deploy.nova_options import custom_folder, read_custom
from deploy.passwords import PasswordsPlan, plan_passwords
from deploy.record import PreviousRun, previous_run
from deploy.settings import Settings
from deploy.stages import DeployStage, collections_folder


@dataclass(frozen=True)
class DeployFacts:
    """What a plan is made from, besides the configuration."""

    tree: ReleaseFiles
    present: Mapping[str, str]
    """Files of the configuration folder, by name."""
    passwords: PasswordsPlan
    has_collection: bool
    """Whether openstack.kolla is installed there."""
    previous: PreviousRun
    custom: Mapping[str, str] = field(default_factory=dict)
    """Nova's files of the custom configuration, by name."""


def gather(settings: Settings) -> DeployFacts:
    """Read the release's files and the configuration folder."""
    tree = tree_of(settings.release)
    folder = settings.config_dir
    return DeployFacts(
        tree,
        changes.read(folder),
        plan_passwords(folder / "passwords.yml", tree),
        (collections_folder(settings) / "ansible_collections/openstack/kolla").is_dir(),
        previous_run(folder),
        read_custom(custom_folder(settings)),
    )


def user_globals_d(
    settings: Settings, tree: ReleaseFiles, present: Mapping[str, str]
) -> tuple[dict[str, Mapping[str, JsonValue]], list[Fault]]:
    """Read the user's own files of globals.d, in the order in which Ansible loads them.

    :returns: the variables of each file by its path, and what is wrong with the files.
    """
    variables: dict[str, Mapping[str, JsonValue]] = {}
    faults: list[Fault] = []
    for name, text in sorted(present.items()):
        if not name.startswith("globals.d/") or text.startswith(HEADER):
            continue
        path = str(settings.config_dir / name)
        suffix = Path(name).suffix
        if not tree.has_globals_d:
            faults.append(
                Fault(
                    path,
                    f"kolla-ansible {settings.release.version} doesn't load globals.d",
                    "move what it sets to deploy.globals",
                )
            )
        elif suffix != ".yml":
            # Before 19.0.0 only .yml is loaded; since then .yaml and .json too.
            faults.append(Fault(path, "may not be loaded", "name it .yml"))
        elif not text.startswith("$ANSIBLE_VAULT"):
            try:
                data = yaml.safe_load(text) or {}
                variables[path] = data if isinstance(data, dict) else {}
            except yaml.YAMLError:
                faults.append(Fault(path, "is not valid YAML"))
    return variables, faults


def unsupported(
    settings: Settings, facts: DeployFacts, stages: Sequence[DeployStage]
) -> list[Fault]:
    """Refuse what this release, or the state of the folder, makes impossible."""
    faults = []
    with_nova = settings.deploy.globals.get("enable_nova") is not False
    needs_deploy = settings.release.genconfig_needs_toolbox and with_nova
    if DeployStage.GENCONFIG in stages and needs_deploy and not facts.previous.deployed:
        faults.append(
            Fault(
                "stage genconfig",
                f"kolla-ansible {settings.release.version} can't generate nova's configuration "
                "before the first deploy, because it runs a command in the kolla_toolbox container",
                "deploy first, or set kolla_ansible.version to an older version that can",
            )
        )
    if _database_unreachable(settings, facts.tree):
        faults.append(
            Fault(
                "deploy.globals.enable_proxysql",
                f"in kolla-ansible {settings.release.version} nothing else listens for the "
                "database on the internal VIP",
                "set enable_external_mariadb_load_balancer: true too, with which HAProxy does, or "
                "leave ProxySQL on",
            )
        )
    source = settings.deploy.collections
    if source.mirror and source.path:
        faults.append(Fault("deploy.collections", "has both mirror and path", "leave one out"))
    if source.path and not source.path.exists():
        faults.append(Fault("deploy.collections.path", f"{source.path} does not exist"))
    if facts.tree.script and any(c.isspace() for c in str(settings.config_dir)):
        faults.append(
            Fault(
                "deploy.config_dir",
                f"{str(settings.config_dir)!r} has a space, which this release's tool splits at",
                "choose another folder",
            )
        )
    return faults


def _database_unreachable(settings: Settings, tree: ReleaseFiles) -> bool:
    """Whether ProxySQL is off in a release whose HAProxy serves a database only when told to."""
    chosen = settings.deploy.globals
    off = chosen.get("enable_proxysql") is False and chosen.get("enable_haproxy") is not False
    elsewhere = "database_address" in chosen or chosen.get("enable_mariadb") is False
    told = chosen.get("enable_external_mariadb_load_balancer") is True
    services = tree.role_defaults("mariadb").get("mariadb_services") or {}
    frontends = services.get("mariadb", {}).get("haproxy", {})
    return off and not elsewhere and not told and set(frontends) == {"mariadb_external_lb"}
