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
from deploy.next_steps import next_steps
from deploy.passwords import plan_passwords
from deploy.plan import DeployPlan, make_plan, named_stages
from deploy.record import PreviousRun
from deploy.settings import Settings, settings_for
from deploy.stages import (
    DEFAULT_STAGES,
    AnsibleOptions,
    DeployStage,
    collection_command,
    stage_command,
)
from tests.support.hybrid_cloud import CLOUD, settings_in


def planned(
    settings: Settings,
    small: ReleaseFiles,
    *stages: DeployStage,
    present: dict[str, str] | None = None,
    previous: PreviousRun | None = None,
    options: AnsibleOptions | None = None,
    resume: bool = False,
) -> DeployPlan:
    facts = DeployFacts(
        tree=small,
        present=present or {},
        passwords=plan_passwords(settings.config_dir / "passwords.yml", small),
        has_collection=True,
        previous=previous or PreviousRun(),
    )
    return make_plan(
        settings, facts, stages or DEFAULT_STAGES, options or AnsibleOptions(), resume=resume
    )


def content(plan: DeployPlan, name: str) -> Any:
    (found,) = [change.after for change in plan.files if change.name == name]
    assert found is not None
    return yaml.safe_load(found)


def faults(settings: Settings, small: ReleaseFiles, **keywords: Any) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        planned(settings, small, **keywords)
    return {fault.where: f"{fault.message}; {fault.hint}" for fault in caught.value.faults}


def test_host_vars_have_what_is_set_for_the_host(tmp_path: Path, small: ReleaseFiles) -> None:
    plan = planned(settings_in(tmp_path), small)
    assert content(plan, "inventory/host_vars/compute01.yml") == {
        "ansible_host": "10.0.0.9",
        "ansible_user": "kolla",
        "ansible_ssh_private_key_file": "~/.ssh/id",
        "ansible_become": True,
        "network_interface": "enP2p1s0f2",
    }


def test_the_inventory_lists_hosts_and_never_variables(tmp_path: Path, small: ReleaseFiles) -> None:
    plan = planned(settings_in(tmp_path), small)
    hosts = next(change.after for change in plan.files if change.name == "inventory/hosts")
    assert "[control]\ncontrol01\ncontrol02\ncontrol03\n" in str(hosts)
    assert "[nova-api:children]\nnova\n" in str(hosts)
    assert "=" not in str(hosts), "variables in the INI file would be ignored"


def test_globals_have_nothing_that_differs_between_hosts(
    tmp_path: Path, small: ReleaseFiles
) -> None:
    plan = planned(settings_in(tmp_path), small)
    general = content(plan, "globals.yml")
    assert general["openstack_tag"] == "2026.1"
    assert general["docker_registry"] == "reg:5000"
    assert not any(name.endswith("_interface") for name in general)
    # The small release has no variable of that name.
    assert "neutron_external_interface" in plan.notes[0]


def test_images_are_those_of_each_host_and_its_architecture(
    tmp_path: Path, small: ReleaseFiles
) -> None:
    plan = planned(settings_in(tmp_path), small)
    assert {(image.name, image.architecture.value, image.hosts) for image in plan.images} >= {
        ("nova-libvirt", "aarch64", ("compute01",)),
        ("nova-api", "x86_64", ("control01", "control02", "control03")),
    }


def test_the_default_stages_run_in_order(tmp_path: Path, small: ReleaseFiles) -> None:
    plan = planned(settings_in(tmp_path), small)
    assert [command.argv[1] for command in plan.commands] == [
        "bootstrap-servers", "prechecks", "pull", "deploy", "post-deploy",
    ]  # fmt: skip


def test_the_plan_is_text_and_json(tmp_path: Path, small: ReleaseFiles) -> None:
    hosts = {"a": CLOUD["hosts"]["compute01"] | {"variables": {"ansible_become_password": "hush"}}}
    plan = planned(settings_in(tmp_path, hosts=hosts), small)
    text, data = plan.to_text(), json.dumps(plan.to_dict())
    assert "hush" not in text + data
    assert "ansible_become_password: ********" in text
    assert "kolla-ansible prechecks -i" in text
    assert not (tmp_path / "state").exists(), "a plan changes nothing"


def test_only_what_changed_is_shown(tmp_path: Path, small: ReleaseFiles) -> None:
    first = planned(settings_in(tmp_path), small)
    present = {change.name: str(change.after) for change in first.files}
    fewer = {"compute01": CLOUD["hosts"]["compute01"], "control": CLOUD["hosts"]["control[01:03]"]}
    again = planned(settings_in(tmp_path, hosts=fewer), small, present=present)
    actions = {change.name: change.action for change in again.files}
    assert actions["globals.yml"] == "keep"
    assert actions["inventory/host_vars/control02.yml"] == "remove"
    assert actions["inventory/host_vars/control.yml"] == "create"
    assert actions["inventory/hosts"] == "update"


def test_a_file_that_kollarm_did_not_write_is_not_overwritten(
    tmp_path: Path, small: ReleaseFiles
) -> None:
    found = faults(settings_in(tmp_path), small, present={"globals.yml": "mine: 1\n"})
    assert "overwritten" in found[str(tmp_path / "state/deploy/globals.yml")]


@pytest.mark.parametrize(
    ("changes", "where", "says"),
    [
        ({"globals": {"openstack_tag_suffix": "-aarch64"}},
         "deploy.globals.openstack_tag_suffix", "both architectures"),
        ({"globals": {"docker_registry": "x"}},
         "deploy.globals.docker_registry", "registry.address"),
        ({"globals": {"network_interface": "eth9"}},
         "deploy.globals.network_interface", "control[01:03], compute01"),
        ({"globals": {"keystone_admin_password": "x"}},
         "deploy.globals.keystone_admin_password", "passwords.yml"),
        ({"globals": {"ansible_user": "x"}},
         "deploy.globals.ansible_user", "deploy.ssh"),
        ({"group_variables": {"all": {"enable_nova": False}}},
         "deploy.group_variables.all.enable_nova", "deploy.globals.enable_nova"),
        ({"group_variables": {"compute": {"openstack_tag": "x"}}},
         "deploy.group_variables.compute.openstack_tag", "globals.yml"),
        ({"group_variables": {"comput": {}}}, "deploy.group_variables", "'compute'"),
        ({"vips": {"internal": "1", "external_interface": "e"},
          "interfaces": {"kolla_external_vip": "f"}},
         "deploy.hosts.compute01.interfaces", "deploy.vips.external_interface"),
        ({"collections": {"mirror": "x", "path": "/"}}, "deploy.collections", "leave one out"),
    ],
)  # fmt: skip
def test_misplaced_variables_are_refused(
    changes: dict[str, Any], where: str, says: str, tmp_path: Path, small: ReleaseFiles
) -> None:
    assert says in faults(settings_in(tmp_path, **changes), small)[where]


@pytest.mark.parametrize("name", ["docker_registry", "openstack_tag_suffix", "openstack_tag"])
def test_a_registry_or_a_tag_of_one_host_is_refused(
    name: str, tmp_path: Path, small: ReleaseFiles
) -> None:
    """A registry or a tag per host, which run_once tasks would get wrong."""
    host = CLOUD["hosts"]["compute01"] | {"variables": {name: "x"}}
    found = faults(settings_in(tmp_path, hosts={"c": host}), small)
    assert "leave it out" in found[f"deploy.hosts.c.variables.{name}"]


def test_all_faults_are_reported_at_once(tmp_path: Path, small: ReleaseFiles) -> None:
    settings = settings_in(tmp_path, globals={"docker_registry": "x", "ansible_user": "y"})
    assert len(faults(settings, small)) == 2


def test_a_users_file_in_globals_d_is_checked_too(tmp_path: Path, small: ReleaseFiles) -> None:
    present = {"globals.d/mine.yml": "network_interface: x\n", "globals.d/other.yaml": "a: 1\n"}
    found = faults(settings_in(tmp_path), small, present=present)
    folder = tmp_path / "state/deploy/globals.d"
    assert "ignored" in found[f"{folder}/mine.yml.network_interface"]
    assert ".yml" in found[f"{folder}/other.yaml"]


def test_the_users_globals_go_to_globals_d(tmp_path: Path, small: ReleaseFiles) -> None:
    settings = settings_in(tmp_path, globals={"enable_nova": False})
    plan = planned(settings, small)
    assert content(plan, "globals.d/50-kollarm-user.yml") == {"enable_nova": False}
    # Rocky's shell tool doesn't load globals.d.
    old = planned(settings, ReleaseFiles(small.root, script="#!/bin/bash\n"))
    assert content(old, "globals.yml")["enable_nova"] is False


def test_a_misspelt_variable_is_noticed(tmp_path: Path, small: ReleaseFiles) -> None:
    plan = planned(settings_in(tmp_path, globals={"enable_nvoa": False}), small)
    assert "did you mean 'enable_nova'" in plan.notes[0]


def test_resuming_leaves_out_what_is_done(tmp_path: Path, small: ReleaseFiles) -> None:
    digest = planned(settings_in(tmp_path), small).digest
    done = ("config", "bootstrap-servers", "prechecks")
    plan = planned(settings_in(tmp_path), small, previous=PreviousRun(digest, done), resume=True)
    assert plan.skipped == (DeployStage.BOOTSTRAP_SERVERS, DeployStage.PRECHECKS)
    assert plan.stages == (
        DeployStage.CONFIG,
        DeployStage.PULL,
        DeployStage.DEPLOY,
        DeployStage.POST_DEPLOY,
    )
    other = planned(settings_in(tmp_path), small, previous=PreviousRun("other", done), resume=True)
    assert not other.skipped


def test_the_resuming_command_has_the_same_stages_and_options(
    tmp_path: Path, small: ReleaseFiles
) -> None:
    assert planned(settings_in(tmp_path), small).resume_command() == "kollarm deploy --resume"
    options = AnsibleOptions(limit="a:&b", tags=("nova", "cron"), skip_tags=("x",), check=True)
    some = planned(
        settings_in(tmp_path), small, DeployStage.PULL, DeployStage.DEPLOY, options=options
    )
    assert some.resume_command(("--config", "my cloud.yml")) == (
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
def test_openstack_kolla_is_the_releases_or_the_users_copy(
    collections: dict[str, str], source: str, tmp_path: Path, small: ReleaseFiles
) -> None:
    settings = settings_in(tmp_path, collections=collections)
    assert collection_command(settings, small, installed=False) is None, "it needs none"
    (small.root / "requirements.yml").write_text(
        "collections:\n"
        "  - {name: ansible.posix, source: 'https://galaxy.example', version: <2}\n"
        "  - {name: 'https://git.example/openstack/ansible-collection-kolla', type: git,\n"
        "     version: stable/x}\n"
    )
    tree = ReleaseFiles(small.root)
    assert collection_command(settings, tree, installed=True) is None
    command = collection_command(settings, tree, installed=False)
    assert command is not None and command.argv[-1] == source
    assert command.argv[:3] == ("ansible-galaxy", "collection", "install")


def test_next_steps_are_commands_to_type(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    folder = settings.config_dir
    note = next_steps(settings)
    assert f"  . {folder}/admin-openrc.sh\n" in note, "an old release has no clouds.yaml"
    assert "kollarm guest publish FILE --name IMAGE\n" in note
    folder.mkdir(parents=True)
    (folder / "clouds.yaml").touch()
    note = next_steps(replace(settings, guests=("jammy arm", "noble")))
    assert f"export OS_CLIENT_CONFIG_FILE={folder}/clouds.yaml OS_CLOUD=kolla-admin\n" in note
    assert "kollarm guest publish\n" in note
    assert "openstack server create --image 'jammy arm' --flavor arm.small" in note
    assert note.endswith("openstack console url show --novnc guest1")


def test_destroying_is_confirmed_first(tmp_path: Path, small: ReleaseFiles) -> None:
    plan = planned(settings_in(tmp_path), small, DeployStage.DESTROY)
    questions = []

    def no(question: str) -> bool:
        questions.append(question)
        return False

    for answer in (no, None):
        with pytest.raises(KollarmError, match="not confirmed"):
            execute(plan, client_at=RegistryClient, confirm=answer)
    (question,) = questions
    assert "control[01:03], compute01" in question, "what is going to be destroyed"
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(
    ("limit", "passed_on"), [(None, "all:!localhost"), ("compute", "compute:!localhost")]
)
def test_destroying_leaves_this_machine_alone(
    tmp_path: Path, small: ReleaseFiles, limit: str | None, passed_on: str
) -> None:
    options = AnsibleOptions(limit=limit)
    command = stage_command(settings_in(tmp_path), small, DeployStage.DESTROY, options)
    assert command.argv[command.argv.index("--limit") + 1] == passed_on


def test_a_release_whose_genconfig_needs_a_running_cloud(
    tmp_path: Path, small: ReleaseFiles
) -> None:
    with pytest.raises(ConfigError) as caught:
        planned(settings_in(tmp_path), small, DeployStage.GENCONFIG)
    assert "kolla_toolbox" in str(caught.value.details)
    assert planned(
        settings_in(tmp_path), small, DeployStage.GENCONFIG, previous=PreviousRun(deployed=True)
    ).commands
    older = settings_in(tmp_path, kolla_ansible={"version": "22.0.0"})
    assert planned(older, small, DeployStage.GENCONFIG).commands


def test_options_are_passed_on(tmp_path: Path, small: ReleaseFiles) -> None:
    options = AnsibleOptions(limit="compute", tags=("nova", "cron"), skip_tags=("x",), check=True)
    passed = ("--limit", "compute", "--tags", "nova,cron", "--skip-tags", "x", "--check")
    command = stage_command(settings_in(tmp_path), small, DeployStage.PULL, options)
    assert command.argv[-7:] == passed
    assert "--passwords" not in command.argv, "it would be ignored"
    # post-deploy runs on localhost, which the limit would exclude.
    after = stage_command(settings_in(tmp_path), small, DeployStage.POST_DEPLOY, options)
    assert "--limit" not in after.argv
    rocky = ReleaseFiles(small.root, script="an old one")
    command = stage_command(settings_in(tmp_path), rocky, DeployStage.PULL, options)
    assert "--check" not in command.argv
    assert command.env["EXTRA_OPTS"] == "--check"
    assert command.argv[command.argv.index("--passwords") + 1].endswith("deploy/passwords.yml")


def test_variables_for_arm_depend_on_the_release(tmp_path: Path, small: ReleaseFiles) -> None:
    now = architecture_variables(settings_in(tmp_path), small, Architecture.AARCH64)
    then = architecture_variables(settings_in(tmp_path, "rocky"), small, Architecture.AARCH64)
    assert now == {}
    assert then == {"enable_fluentd": False}
    assert not architecture_variables(settings_in(tmp_path, "rocky"), small, Architecture.X86_64)
    role = small.root / "ansible/roles/nova/defaults/main.yml"
    role.write_text("project_name: nova\nnova_libvirt_cpu_mode: ''\nnova_services: {}\n")
    bare = architecture_variables(
        settings_in(tmp_path), ReleaseFiles(small.root), Architecture.AARCH64
    )
    assert bare == {"nova_libvirt_cpu_mode": "host-passthrough"}


def test_remote_hosts_cannot_pull_from_a_loopback_address(
    tmp_path: Path, small: ReleaseFiles
) -> None:
    config = Config(state_dir=tmp_path)
    settings = settings_for(config, Deploy.model_validate_json(json.dumps(CLOUD)))
    assert "loopback" in faults(settings, small)["registry.address"]


def test_unknown_names() -> None:
    with pytest.raises(ConfigError, match="pul"):
        named_stages(["pul"])
    with pytest.raises(ConfigError, match="zed"):
        find("zed")
    with pytest.raises(ConfigError, match="2026"):
        find("2026.1", version="19.0.0")
