"""A cloud of our own images, deployed with every stage of kolla-ansible's: `make test-deploy`."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator

import pytest

from core.paths import project_dir
from testbed import guest_image
from tests.deploy.cloud import DeployedCloud, deployed_cloud

CONTROL, COMPUTE = "kollarm-ctl1", "kollarm-cmp1"
FOLDER = project_dir() / ".kollarm" / "test-deploy"
GUEST = "arm-guest"
#: An arm64 guest in a cloud of x86_64 hosts.
EMULATED = {"hw_emulation_architecture": "aarch64"}

pytestmark = [pytest.mark.deploy, pytest.mark.timeout(3 * 3600)]


@pytest.fixture(scope="module")
def cloud() -> Iterator[DeployedCloud]:
    image = guest_image.make(guest_image.LAYOUTS["ubuntu-22.04"])
    source = {"path": str(image.image), "sha256": image.sha256}
    guest = {"name": GUEST, "source": source, "properties": EMULATED}
    with deployed_cloud(FOLDER, CONTROL, COMPUTE, [guest]) as made:
        yield made


def recap(stdout: str) -> dict[str, dict[str, int]]:
    """The last stage's result of each host."""
    stages = json.loads(stdout)["stages"]
    return {host["host"]: host for host in stages[-1]["recap"]["hosts"]}


def test_its_images_are_built(cloud: DeployedCloud) -> None:
    done = cloud.run("deploy", "pull", "--dry-run")
    assert done.status == 0, done.stderr
    cloud.build()


def test_bare_hosts_become_servers(cloud: DeployedCloud) -> None:
    done = cloud.run("deploy", "bootstrap-servers")
    assert done.status == 0, done.stderr
    for host in (CONTROL, COMPUTE):
        assert "within-limits" in cloud.on(host, "docker", "info")


def test_nothing_stands_in_the_way(cloud: DeployedCloud) -> None:
    done = cloud.run("deploy", "prechecks")
    assert done.status == 0, done.stderr


def test_images_that_are_missing_are_told_before_anything(cloud: DeployedCloud) -> None:
    cloud.write(openstack_tag="no-such-tag")
    done = cloud.run("deploy", "pull")
    assert done.status == 2 and "openstack_tag" in done.stderr
    cloud.write(enable_barbican=True)
    done = cloud.run("deploy", "pull")
    cloud.write()
    assert done.status != 0 and "barbican-api" in done.stderr and "kollarm build" in done.stderr
    cloud.settings["deploy"]["hosts"][CONTROL]["architecture"] = "aarch64"
    cloud.write()
    done = cloud.run("deploy", "pull")
    cloud.settings["deploy"]["hosts"][CONTROL]["architecture"] = "x86_64"
    cloud.write()
    assert done.status != 0 and "keystone" in done.stderr and "arm64" in done.stderr


def test_hosts_pull_them_themselves(cloud: DeployedCloud) -> None:
    done = cloud.run("deploy", "pull")
    assert done.status == 0, done.stderr
    images = cloud.on(COMPUTE, "docker", "images", "--format", "{{.Repository}}")
    assert f"{cloud.registry}/kolla/nova-compute" in images
    assert f"{cloud.registry}/kolla/keystone" not in images


def test_every_container_runs(cloud: DeployedCloud) -> None:
    done = cloud.run("deploy", "deploy", "post-deploy")
    assert done.status == 0, done.stderr
    for host, names in {
        CONTROL: {"keystone", "glance_api", "nova_api", "nova_novncproxy", "neutron_server"},
        COMPUTE: {"nova_compute", "nova_libvirt", "neutron_openvswitch_agent"},
    }.items():
        found = cloud.containers(host)
        assert names <= found.keys()
        assert set(found.values()) == {"running"}, found


def test_an_arm_guest_has_a_console(cloud: DeployedCloud) -> None:
    """Through HAProxy and the noVNC proxy that were deployed, and it takes keys."""
    cloud.ensure_flavor()
    for words in (["guest", "prepare"], ["guest", "publish"]):
        done = cloud.run(*words)
        assert done.status == 0, done.stderr
    done = cloud.run("guest", "prove", GUEST, "--network", "none", "--screenshot",
                     str(FOLDER / "console.png"))  # fmt: skip
    assert done.status == 0, done.stderr
    assert (FOLDER / "console.png").stat().st_size > 1000


def test_a_second_deployment_restarts_nothing(cloud: DeployedCloud) -> None:
    """Neither files nor containers change; kolla-ansible's own commands count as changes."""
    before = {host: cloud.starts(host) for host in (CONTROL, COMPUTE)}
    done = cloud.run("deploy", "deploy", "--json")
    assert done.status == 0, done.stderr
    assert {host: cloud.starts(host) for host in (CONTROL, COMPUTE)} == before
    log = (cloud.folder / "state/deploy/logs/deploy.log").read_text()
    assert "RUNNING HANDLER" not in log
    changed = re.findall(r"^TASK \[(.+?)\][^[]*\nchanged:", log, re.MULTILINE)
    assert changed and not [task for task in changed if "Copying" in task or "config" in task]


def test_a_change_reaches_the_services_that_it_concerns(cloud: DeployedCloud) -> None:
    before = cloud.on(CONTROL, "docker", "inspect", "-f", "{{.State.StartedAt}}", "memcached")
    cloud.write(nova_console="novnc", memcached_connection_limit=2000)
    done = cloud.run("deploy", "reconfigure", "--tags", "memcached")
    cloud.write()
    assert done.status == 0, done.stderr
    after = cloud.on(CONTROL, "docker", "inspect", "-f", "{{.State.StartedAt}}", "memcached")
    assert before != after
    assert "2000" in cloud.on(CONTROL, "docker", "exec", "memcached", "cat", "/run_command")


def test_a_wrong_password_is_told(cloud: DeployedCloud) -> None:
    path = cloud.folder / "state/deploy/passwords.yml"
    right = path.read_text()
    line = next(line for line in right.splitlines() if line.startswith("keystone_admin_password:"))
    path.write_text(right.replace(line, "keystone_admin_password: wrong"))
    done = cloud.run("deploy", "deploy", "--tags", "glance")
    path.write_text(right)
    assert done.status != 0 and CONTROL in done.stderr and "glance" in done.stderr


def test_a_host_that_is_down_is_named_and_awaited(cloud: DeployedCloud) -> None:
    subprocess.run(["docker", "stop", COMPUTE], check=True, capture_output=True)
    done = cloud.run("deploy", "prechecks", "pull")
    cloud.bed.up([CONTROL, COMPUTE])
    assert done.status != 0 and COMPUTE in done.stderr and "--resume" in done.stderr
    done = cloud.run("deploy", "--resume", "--json", "prechecks", "pull")
    assert done.status == 0, done.stderr


def test_a_part_of_the_hosts_is_deployed(cloud: DeployedCloud) -> None:
    done = cloud.run("deploy", "deploy", "--limit", COMPUTE, "--json")
    assert done.status == 0, done.stderr
    assert recap(done.stdout).keys() <= {COMPUTE, "localhost"}
    assert set(cloud.containers(COMPUTE).values()) == {"running"}


def test_newer_images_come_with_an_upgrade(cloud: DeployedCloud) -> None:
    cloud.release_again("2026.1-again", changed="memcached")
    build = cloud.settings["build"]
    cloud.settings["build"] = build | {"tag": "2026.1-again"}
    cloud.write()
    done = cloud.run("deploy", "pull", "upgrade")
    assert done.status == 0, done.stderr
    label = '{{index .Config.Labels "built"}}'
    assert cloud.on(CONTROL, "docker", "inspect", "-f", label, "memcached").strip() == "again"
    for host in (CONTROL, COMPUTE):
        assert set(cloud.containers(host).values()) == {"running"}


def test_nothing_is_left_of_it(cloud: DeployedCloud) -> None:
    done = cloud.run("deploy", "destroy", "--yes")
    assert done.status == 0, done.stderr
    for host in (CONTROL, COMPUTE):
        assert cloud.containers(host) == {}
        assert cloud.on(host, "docker", "volume", "ls", "-q") == ""
    cloud.bed.down()
