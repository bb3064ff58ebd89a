"""What a plan is made from, beside the configuration: looked up once, then plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from pydantic import JsonValue

from core.errors import Fault
from core.kolla_ansible.release_files import ReleaseFiles
from core.kolla_ansible.toolchain import tree_of
from deploy import changes
from deploy.inventory import HEADER
from deploy.passwords import PasswordsPlan, plan_passwords
from deploy.record import PreviousRun, earlier
from deploy.settings import Settings
from deploy.stages import DeployStage, collections_folder


@dataclass(frozen=True)
class DeployFacts:
    """What a plan is made from, beside the configuration."""

    tree: ReleaseFiles
    present: Mapping[str, str]
    """Files of the configuration folder, by name."""
    passwords: PasswordsPlan
    collection: bool
    """Whether openstack.kolla is installed there."""
    earlier: PreviousRun


def gather(given: Settings) -> DeployFacts:
    """Look at the release's files and at what lies in the configuration folder."""
    tree = tree_of(given.release)
    folder = given.config_dir
    return DeployFacts(
        tree,
        changes.read(folder),
        plan_passwords(folder / "passwords.yml", tree),
        (collections_folder(given) / "ansible_collections/openstack/kolla").is_dir(),
        earlier(folder),
    )


def dropped_in(
    given: Settings, tree: ReleaseFiles, present: Mapping[str, str]
) -> tuple[dict[str, Mapping[str, JsonValue]], list[Fault]]:
    """The user's own files of globals.d, in the order in which Ansible takes them."""
    found: dict[str, Mapping[str, JsonValue]] = {}
    faults: list[Fault] = []
    for name, text in sorted(present.items()):
        if not name.startswith("globals.d/") or text.startswith(HEADER):
            continue
        place = str(given.config_dir / name)
        suffix = Path(name).suffix
        if not tree.has_globals_d:
            faults.append(
                Fault(
                    place,
                    f"kolla-ansible {given.release.version} doesn't load globals.d",
                    "move what it sets to deploy.globals",
                )
            )
        elif suffix != ".yml":
            # Since 19.0.0 .yaml and .json are loaded too, before that not.
            faults.append(Fault(place, "may not be loaded", "name it .yml"))
        elif not text.startswith("$ANSIBLE_VAULT"):
            try:
                data = yaml.safe_load(text) or {}
                found[place] = data if isinstance(data, dict) else {}
            except yaml.YAMLError:
                faults.append(Fault(place, "is no valid YAML"))
    return found, faults


def impossible(given: Settings, facts: DeployFacts, stages: Sequence[DeployStage]) -> list[Fault]:
    """What this release, or what lies in the folder, rules out."""
    faults = []
    nova = given.deploy.globals.get("enable_nova") is not False
    too_early = given.release.genconfig_needs_toolbox and nova and not facts.earlier.deployed
    if DeployStage.GENCONFIG in stages and too_early:
        faults.append(
            Fault(
                "stage genconfig",
                f"kolla-ansible {given.release.version} can't generate nova's configuration "
                "before a first deploy: it asks the kolla_toolbox container",
                "deploy first; kolla_ansible.version can name a release before the fault",
            )
        )
    wanted = given.deploy.collections
    if wanted.mirror and wanted.path:
        faults.append(Fault("deploy.collections", "names a mirror and a path", "leave one out"))
    if wanted.path and not wanted.path.exists():
        faults.append(Fault("deploy.collections.path", f"{wanted.path} isn't there"))
    if facts.tree.script and any(c.isspace() for c in str(given.config_dir)):
        faults.append(
            Fault(
                "deploy.config_dir",
                f"{str(given.config_dir)!r} has a space, which this release's shell tool splits at",
                "name another folder",
            )
        )
    return faults
