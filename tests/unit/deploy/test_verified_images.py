"""The playbook that pulls verified images, and the commands around it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import ec

from core.attestation.signing import Key, PublicKey
from core.config.deploy import Deploy
from core.config.load import parse
from core.config.model import Architecture
from core.errors import ConfigError
from core.kolla_ansible.release_files import ReleaseFiles
from core.kolla_ansible.releases import find
from deploy.facts import DeployFacts
from deploy.passwords import plan_passwords
from deploy.plan import DeployPlan, make_plan
from deploy.preflight import RequiredImage
from deploy.record import PreviousRun
from deploy.settings import Settings
from deploy.stages import DEFAULT_STAGES, PLAYBOOK, AnsibleOptions, DeployStage
from deploy.verified_images import playbook

X86, ARM = Architecture.X86_64, Architecture.AARCH64
CRON = RequiredImage("r.example:5000/kolla/cron:t", "cron", ARM, ("arm1", "arm2"))
API = RequiredImage("r.example:5000/kolla/nova-api:t", "nova-api", X86, ("ctl1",))
DIGESTS = {
    (one.registry, one.repository, one.tag): f"sha256:{number:064x}"
    for number, one in enumerate((CRON, API))
}


def play(**settings: Any) -> dict[str, Any]:
    settings = {"engine": "docker", "registry_user": None} | settings
    [found] = yaml.safe_load(playbook([CRON, API], DIGESTS, **settings))
    assert isinstance(found, dict)
    return found


def test_each_host_pulls_its_own_images_by_digest() -> None:
    images = play()["vars"]["kollarm_images"]
    cron = {"by": f"r.example:5000/kolla/cron@sha256:{0:064x}", "tag": CRON.image}
    assert images["arm1"] == images["arm2"] == [cron]
    assert images["ctl1"] == [
        {"by": f"r.example:5000/kolla/nova-api@sha256:{1:064x}", "tag": API.image}
    ]


def test_the_engine_of_the_hosts_pulls() -> None:
    for engine in ("docker", "podman"):
        words = [task["ansible.builtin.command"]["argv"] for task in play(engine=engine)["tasks"]]
        assert [argv[:2] for argv in words] == [[engine, "pull"], [engine, "tag"]]


def test_a_registrys_user_is_logged_in_for_the_pulls_alone() -> None:
    whole = play(registry_user="puller")
    [block] = whole["tasks"]
    login, *_ = block["block"]
    assert login["no_log"] and "puller" in login["ansible.builtin.command"]["argv"]
    assert login["ansible.builtin.command"]["stdin"] == "{{ docker_registry_password }}"
    [out] = block["always"]
    folder = out["ansible.builtin.file"]["path"]
    assert out["ansible.builtin.file"]["state"] == "absent"
    assert whole["environment"]["DOCKER_CONFIG"] == folder
    assert whole["environment"]["REGISTRY_AUTH_FILE"].startswith(folder)


def planned(
    tmp_path: Path,
    small: ReleaseFiles,
    key: PublicKey | None,
    *stages: DeployStage,
    variables: dict[str, Any] | None = None,
    options: AnsibleOptions | None = None,
) -> DeployPlan:
    host = {"architecture": "x86_64", "groups": ["control"]}
    text = {"hosts": {"ctl1": host}, "vips": {"internal": "10.0.0.1"}, "globals": variables or {}}
    deploy = Deploy.model_validate_json(json.dumps(text))
    settings = Settings(
        release=find("2026.1"),
        distro="debian",
        registry="r.example:5000",
        registry_insecure=False,
        namespace="kolla",
        tag="t",
        config_dir=tmp_path,
        state_dir=tmp_path,
        guests=(),
        deploy=deploy,
        signed_by=key,
    )
    passwords = plan_passwords(tmp_path / "passwords.yml", small)
    facts = DeployFacts(small, {}, passwords, True, PreviousRun())
    return make_plan(
        settings, facts, stages or DEFAULT_STAGES, options or AnsibleOptions(), resume=False
    )


def a_public_key() -> PublicKey:
    return Key(ec.generate_private_key(ec.SECP256R1())).public


def programs(plan: DeployPlan) -> list[tuple[str, str]]:
    return [(command.stage.value, command.argv[0]) for command in plan.commands]


def test_the_playbook_is_the_stage_pull(tmp_path: Path, small: ReleaseFiles) -> None:
    plan = planned(tmp_path, small, a_public_key())
    assert ("pull", "ansible-playbook") in programs(plan)
    assert ("pull", "kolla-ansible") not in programs(plan)
    assert sum(program == "ansible-playbook" for _, program in programs(plan)) == 1
    assert "verify" in plan.to_text() and PLAYBOOK in plan.to_text()


@pytest.mark.parametrize("stage", ["deploy", "reconfigure", "upgrade"])
def test_it_goes_before_a_stage_that_would_pull(
    stage: str, tmp_path: Path, small: ReleaseFiles
) -> None:
    options = AnsibleOptions(limit="ctl1", check=True)
    plan = planned(tmp_path, small, a_public_key(), DeployStage(stage), options=options)
    assert programs(plan) == [(stage, "ansible-playbook"), (stage, "kolla-ansible")]
    assert plan.commands[0].preparation and not plan.commands[1].preparation
    assert {"--limit", "ctl1", "--check"} <= set(plan.commands[0].argv)


def test_nothing_of_it_without_the_key(tmp_path: Path, small: ReleaseFiles) -> None:
    plan = planned(tmp_path, small, None)
    assert "ansible-playbook" not in {program for _, program in programs(plan)}
    assert PLAYBOOK not in plan.to_text()


def test_engine_and_user_come_from_the_clouds_variables(
    tmp_path: Path, small: ReleaseFiles
) -> None:
    variables = {"kolla_container_engine": "podman", "docker_registry_username": "puller"}
    plan = planned(tmp_path, small, a_public_key(), DeployStage.PULL, variables=variables)
    assert (plan.engine, plan.registry_user) == ("podman", "puller")
    assert f"@{tmp_path / 'passwords.yml'}" in plan.commands[0].argv


def test_a_signature_is_required_of_a_key_that_there_is() -> None:
    text = """
        deploy:
          require_signature: {}
          hosts: {{ctl1: {{architecture: x86_64, groups: [control]}}}}
          vips: {{internal: 10.0.0.1}}
    """
    file = Path("/somewhere/kollarm.yml")
    with pytest.raises(ConfigError) as caught:
        parse(text.format("true"), file)
    [fault] = caught.value.faults
    assert "require_signature" in fault.where and "signing_key" in fault.message
    wanted = parse(text.format("kollarm.pub"), file).deploy
    assert wanted is not None and wanted.require_signature == Path("/somewhere/kollarm.pub")
    without = parse(text.format("false"), file).deploy
    assert without is not None and without.require_signature is False
