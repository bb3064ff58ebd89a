"""Plans from plain data: files, commands, misplaced variables, resuming."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from core.config.deploy import Deploy
from core.config.model import Architecture, Config
from core.errors import ConfigError, KollarmError
from core.kolla_ansible.release_files import ReleaseFiles
from core.kolla_ansible.releases import find
from core.oci.registry import RegistryClient
from deploy.execute import execute
from deploy.facts import DeployFacts
from deploy.inventory import architecture_variables
from deploy.next_steps import closing_note
from deploy.passwords import plan_passwords
from deploy.plan import DeployPlan, chosen, make_plan
from deploy.record import PreviousRun
from deploy.settings import Settings, settings
from deploy.stages import (
    DEFAULT_STAGES,
    AnsibleOptions,
    DeployStage,
    collection_command,
    stage_command,
)

SEED: dict[str, Any] = {
    "hosts": {
        "control[01:03]": {
            "architecture": "x86_64",
            "groups": ["control", "network"],
            "interfaces": {"neutron_external": "ens224", "network": "ens192"},
        },
        "compute01": {
            "architecture": "aarch64",
            "groups": ["compute"],
            "address": "10.0.0.9",
            "interfaces": {"network": "enP2p1s0f2"},
        },
    },
    "ssh": {"user": "kolla", "private_key": "~/.ssh/id"},
    "vips": {"internal": "10.0.0.254"},
}


def given(tmp_path: Path, release: str = "2026.1", **changes: Any) -> Settings:
    config = Config.model_validate_json(
        json.dumps({"release": release, "registry": {"address": "reg:5000"}})
    ).model_copy(update={"state_dir": tmp_path / "state"})
    return settings(config, Deploy.model_validate_json(json.dumps(SEED | changes)))


def planned(
    given: Settings,
    small: ReleaseFiles,
    *stages: DeployStage,
    present: dict[str, str] | None = None,
    before: PreviousRun | None = None,
    options: AnsibleOptions | None = None,
    resume: bool = False,
) -> DeployPlan:
    facts = DeployFacts(
        small,
        present or {},
        plan_passwords(given.config_dir / "passwords.yml", small),
        True,
        before or PreviousRun(),
    )
    return make_plan(
        given, facts, stages or DEFAULT_STAGES, options or AnsibleOptions(), resume=resume
    )


def content(plan: DeployPlan, name: str) -> Any:
    (found,) = [change.after for change in plan.files if change.name == name]
    assert found is not None
    return yaml.safe_load(found)


def faults(given: Settings, small: ReleaseFiles, **keywords: Any) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        planned(given, small, **keywords)
    return {fault.where: f"{fault.message}; {fault.hint}" for fault in caught.value.faults}


def test_the_seeds_cloud(tmp_path: Path, small: ReleaseFiles) -> None:
    plan = planned(given(tmp_path), small)
    assert content(plan, "inventory/host_vars/compute01.yml") == {
        "ansible_host": "10.0.0.9",
        "ansible_user": "kolla",
        "ansible_ssh_private_key_file": "~/.ssh/id",
        "ansible_become": True,
        "network_interface": "enP2p1s0f2",
    }
    hosts = next(c.after for c in plan.files if c.name == "inventory/hosts")
    assert "[control]\ncontrol01\ncontrol02\ncontrol03\n" in str(hosts)
    assert "[nova-api:children]\nnova\n" in str(hosts)
    assert "=" not in str(hosts), "variables in the INI file would be ignored"
    general = content(plan, "globals.yml")
    assert general["openstack_tag"] == "2026.1"
    assert general["docker_registry"] == "reg:5000"
    assert not any(name.endswith("_interface") for name in general)
    # The small release has no variable of that name.
    assert "neutron_external_interface: kolla-ansible 22.2.0 has no such variable" in plan.notes[0]
    assert {(one.name, one.architecture.value, one.hosts) for one in plan.images} >= {
        ("nova-libvirt", "aarch64", ("compute01",)),
        ("nova-api", "x86_64", ("control01", "control02", "control03")),
    }
    assert [command.argv[1] for command in plan.commands] == [
        "bootstrap-servers", "prechecks", "pull", "deploy", "post-deploy",
    ]  # fmt: skip


def test_the_plan_is_text_and_json(tmp_path: Path, small: ReleaseFiles) -> None:
    hosts = {"a": SEED["hosts"]["compute01"] | {"variables": {"ansible_become_password": "hush"}}}
    plan = planned(given(tmp_path, hosts=hosts), small)
    text, data = plan.to_text(), json.dumps(plan.to_dict())
    assert "hush" not in text + data
    assert "ansible_become_password: ********" in text
    assert "kolla-ansible prechecks -i" in text
    assert not (tmp_path / "state").exists(), "a plan changes nothing"


def test_only_what_changed_is_shown(tmp_path: Path, small: ReleaseFiles) -> None:
    first = planned(given(tmp_path), small)
    present = {change.name: str(change.after) for change in first.files}
    fewer = {"compute01": SEED["hosts"]["compute01"], "control": SEED["hosts"]["control[01:03]"]}
    again = planned(given(tmp_path, hosts=fewer), small, present=present)
    actions = {change.name: change.action for change in again.files}
    assert actions["globals.yml"] == "keep"
    assert actions["inventory/host_vars/control02.yml"] == "remove"
    assert actions["inventory/host_vars/control.yml"] == "create"
    assert actions["inventory/hosts"] == "update"


def test_a_strangers_file_is_never_overwritten(tmp_path: Path, small: ReleaseFiles) -> None:
    found = faults(given(tmp_path), small, present={"globals.yml": "mine: 1\n"})
    assert "wasn't written by kollarm" in found[str(tmp_path / "state/deploy/globals.yml")]


@pytest.mark.parametrize(
    ("changes", "where", "says"),
    [
        ({"globals": {"openstack_tag_suffix": "-aarch64"}},
         "deploy.globals.openstack_tag_suffix", "one tag serves both"),
        ({"globals": {"docker_registry": "x"}},
         "deploy.globals.docker_registry", "set registry.address"),
        ({"globals": {"network_interface": "eth9"}},
         "deploy.globals.network_interface", "control[01:03], compute01, which would be ignored"),
        ({"globals": {"keystone_admin_password": "x"}},
         "deploy.globals.keystone_admin_password", "passwords.yml"),
        ({"globals": {"ansible_user": "x"}},
         "deploy.globals.ansible_user", "deploy.ssh"),
        ({"group_variables": {"all": {"enable_nova": False}}},
         "deploy.group_variables.all.enable_nova", "set deploy.globals.enable_nova"),
        ({"group_variables": {"compute": {"openstack_tag": "x"}}},
         "deploy.group_variables.compute.openstack_tag", "globals.yml beats it"),
        ({"group_variables": {"comput": {}}}, "deploy.group_variables", "did you mean 'compute'"),
        ({"vips": {"internal": "1", "external_interface": "e"},
          "interfaces": {"kolla_external_vip": "f"}},
         "deploy.hosts.compute01.interfaces", "deploy.vips.external_interface beats"),
        ({"collections": {"mirror": "x", "path": "/"}}, "deploy.collections", "leave one out"),
    ],
)  # fmt: skip
def test_misplaced_variables_are_refused(
    changes: dict[str, Any], where: str, says: str, tmp_path: Path, small: ReleaseFiles
) -> None:
    assert says in faults(given(tmp_path, **changes), small)[where]


@pytest.mark.parametrize("name", ["docker_registry", "openstack_tag_suffix", "openstack_tag"])
def test_the_seeds_own_ways_round_are_refused(
    name: str, tmp_path: Path, small: ReleaseFiles
) -> None:
    """A registry or a tag per host, which run_once tasks would get wrong."""
    host = SEED["hosts"]["compute01"] | {"variables": {name: "x"}}
    found = faults(given(tmp_path, hosts={"c": host}), small)
    assert "leave it out" in found[f"deploy.hosts.c.variables.{name}"]


def test_all_faults_are_told_at_once(tmp_path: Path, small: ReleaseFiles) -> None:
    wanted = given(tmp_path, globals={"docker_registry": "x", "ansible_user": "y"})
    assert len(faults(wanted, small)) == 2


def test_a_users_file_in_globals_d_is_checked_too(tmp_path: Path, small: ReleaseFiles) -> None:
    present = {"globals.d/mine.yml": "network_interface: x\n", "globals.d/other.yaml": "a: 1\n"}
    found = faults(given(tmp_path), small, present=present)
    folder = tmp_path / "state/deploy/globals.d"
    assert "would be ignored" in found[f"{folder}/mine.yml.network_interface"]
    assert "name it .yml" in found[f"{folder}/other.yaml"]


def test_the_users_globals_go_to_globals_d(tmp_path: Path, small: ReleaseFiles) -> None:
    wanted = given(tmp_path, globals={"enable_nova": False})
    plan = planned(wanted, small)
    assert content(plan, "globals.d/50-kollarm-user.yml") == {"enable_nova": False}
    # The shell tool of Rocky's time doesn't know the folder.
    old = planned(wanted, ReleaseFiles(small.root, script="#!/bin/bash\n"))
    assert content(old, "globals.yml")["enable_nova"] is False


def test_a_misspelt_variable_is_noticed(tmp_path: Path, small: ReleaseFiles) -> None:
    plan = planned(given(tmp_path, globals={"enable_nvoa": False}), small)
    assert "did you mean 'enable_nova'" in plan.notes[0]


def test_resuming_leaves_out_what_is_done(tmp_path: Path, small: ReleaseFiles) -> None:
    digest = planned(given(tmp_path), small).digest
    done = ("config", "bootstrap-servers", "prechecks")
    plan = planned(given(tmp_path), small, before=PreviousRun(digest, done), resume=True)
    assert plan.skipped == (DeployStage.BOOTSTRAP_SERVERS, DeployStage.PRECHECKS)
    assert plan.stages == (
        DeployStage.CONFIG,
        DeployStage.PULL,
        DeployStage.DEPLOY,
        DeployStage.POST_DEPLOY,
    )
    other = planned(given(tmp_path), small, before=PreviousRun("other", done), resume=True)
    assert not other.skipped


def test_the_command_that_goes_on_is_the_same_one_resumed(
    tmp_path: Path, small: ReleaseFiles
) -> None:
    assert planned(given(tmp_path), small).again() == "kollarm deploy --resume"
    options = AnsibleOptions(limit="a:&b", tags=("nova", "cron"), skip_tags=("x",), check=True)
    some = planned(given(tmp_path), small, DeployStage.PULL, DeployStage.DEPLOY, options=options)
    assert some.again(("--config", "my cloud.yml")) == (
        "kollarm deploy pull deploy --limit 'a:&b' --tags nova --tags cron --skip-tags x --check "
        "--config 'my cloud.yml' --resume"
    )


@pytest.mark.parametrize(
    ("collections", "source"),
    [
        ({}, "git+https://git.example/openstack/ansible-collection-kolla,stable/x"),
        ({"mirror": "ssh://mirror/kolla"}, "git+ssh://mirror/kolla,stable/x"),
        ({"path": "/srv/kolla.tar.gz"}, "/srv/kolla.tar.gz"),
    ],
)
def test_openstack_kolla_is_fetched_from_where_the_release_or_the_user_says(
    collections: dict[str, str], source: str, tmp_path: Path, small: ReleaseFiles
) -> None:
    wanted = given(tmp_path, collections=collections)
    assert collection_command(wanted, small, installed=False) is None, "it needs none"
    (small.root / "requirements.yml").write_text(
        "collections:\n"
        "  - {name: ansible.posix, source: 'https://galaxy.example', version: <2}\n"
        "  - {name: 'https://git.example/openstack/ansible-collection-kolla', type: git,\n"
        "     version: stable/x}\n"
    )
    tree = ReleaseFiles(small.root)
    assert collection_command(wanted, tree, installed=True) is None
    command = collection_command(wanted, tree, installed=False)
    assert command is not None and command.argv[-1] == source
    assert command.argv[:3] == ("ansible-galaxy", "collection", "install")


def test_the_closing_note_is_what_one_types(tmp_path: Path) -> None:
    wanted = given(tmp_path)
    folder = wanted.config_dir
    note = closing_note(wanted)
    assert f"  . {folder}/admin-openrc.sh\n" in note, "an old release has no clouds.yaml"
    assert "kollarm guest publish FILE --name IMAGE\n" in note
    folder.mkdir(parents=True)
    (folder / "clouds.yaml").touch()
    note = closing_note(replace(wanted, guests=("jammy arm", "noble")))
    assert f"export OS_CLIENT_CONFIG_FILE={folder}/clouds.yaml OS_CLOUD=kolla-admin\n" in note
    assert "kollarm guest publish\n" in note
    assert "openstack server create --image 'jammy arm' --flavor arm.small" in note
    assert note.endswith("openstack console url show --novnc guest1")


def test_destroying_is_asked_for_first(tmp_path: Path, small: ReleaseFiles) -> None:
    plan = planned(given(tmp_path), small, DeployStage.DESTROY)
    asked = []

    def no(question: str) -> bool:
        asked.append(question)
        return False

    for answer in (no, None):
        with pytest.raises(KollarmError, match="not confirmed; nothing was done"):
            execute(plan, client_at=RegistryClient, confirm=answer)
    assert asked == [
        "Destroy all containers, volumes and configuration of control[01:03], compute01?"
    ]
    assert not (tmp_path / "state").exists()


def test_a_release_whose_genconfig_needs_a_running_cloud(
    tmp_path: Path, small: ReleaseFiles
) -> None:
    with pytest.raises(ConfigError) as caught:
        planned(given(tmp_path), small, DeployStage.GENCONFIG)
    assert "asks the kolla_toolbox container" in str(caught.value.details)
    assert planned(
        given(tmp_path), small, DeployStage.GENCONFIG, before=PreviousRun(deployed=True)
    ).commands
    older = given(tmp_path, kolla_ansible={"version": "22.0.0"})
    assert planned(older, small, DeployStage.GENCONFIG).commands


def test_options_are_passed_on(tmp_path: Path, small: ReleaseFiles) -> None:
    options = AnsibleOptions(limit="compute", tags=("nova", "cron"), skip_tags=("x",), check=True)
    passed = ("--limit", "compute", "--tags", "nova,cron", "--skip-tags", "x", "--check")
    command = stage_command(given(tmp_path), small, DeployStage.PULL, options)
    assert command.argv[-7:] == passed
    assert "--passwords" not in command.argv, "it would be ignored"
    # On the deploying host alone nothing of a limit to others would match.
    after = stage_command(given(tmp_path), small, DeployStage.POST_DEPLOY, options)
    assert "--limit" not in after.argv
    rocky = ReleaseFiles(small.root, script="an old one")
    command = stage_command(given(tmp_path), rocky, DeployStage.PULL, options)
    assert "--check" not in command.argv
    assert command.env["EXTRA_OPTS"] == "--check"
    assert command.argv[command.argv.index("--passwords") + 1].endswith("deploy/passwords.yml")


def test_what_arm_needs_told_depends_on_the_release(tmp_path: Path, small: ReleaseFiles) -> None:
    now = architecture_variables(given(tmp_path), small, Architecture.AARCH64)
    then = architecture_variables(given(tmp_path, "rocky"), small, Architecture.AARCH64)
    assert now == {}
    assert then == {"enable_fluentd": False}
    assert not architecture_variables(given(tmp_path, "rocky"), small, Architecture.X86_64)
    role = small.root / "ansible/roles/nova/defaults/main.yml"
    role.write_text("project_name: nova\nnova_libvirt_cpu_mode: ''\nnova_services: {}\n")
    bare = architecture_variables(given(tmp_path), ReleaseFiles(small.root), Architecture.AARCH64)
    assert bare == {"nova_libvirt_cpu_mode": "host-passthrough"}


def test_loopback_is_no_registry_for_other_machines(tmp_path: Path, small: ReleaseFiles) -> None:
    config = Config(state_dir=tmp_path)
    wanted = settings(config, Deploy.model_validate_json(json.dumps(SEED)))
    assert "can't pull from it" in faults(wanted, small)["registry.address"]


def test_unknown_names() -> None:
    with pytest.raises(ConfigError, match="no such stage: pul"):
        chosen(["pul"])
    with pytest.raises(ConfigError, match="release zed can't be deployed"):
        find("zed")
    with pytest.raises(ConfigError, match="doesn't deploy 2026"):
        find("2026.1", version="19.0.0")
