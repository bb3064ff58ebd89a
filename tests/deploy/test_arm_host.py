"""The same cloud with an ARM machine as its compute host: `make test-deploy-arm`.

The machine is emulated, and the guest on it is emulated by an emulated machine.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from core.oci.registry import RegistryClient
from core.paths import project_dir
from kollarm.services.registry import EmbeddedRegistry
from testbed import guest_image, small_guest
from tests.deploy.cloud import DeployedCloud, deployed_cloud
from tests.support.commands import kollarm

FOLDER = project_dir() / ".kollarm" / "test-deploy-arm"
# not the names of the other cloud, which may be there at the same time
CONTROL, ARM = "kollarm-ctl2", "kollarm-arm1"
GUEST = "small-arm64"
#: Seconds for a guest's console: its machine is emulated twice.
LIMIT = "7200"

pytestmark = [pytest.mark.deploy_arm, pytest.mark.timeout(6 * 3600)]


@pytest.fixture(scope="module")
def cloud() -> Iterator[DeployedCloud]:
    with deployed_cloud(FOLDER, CONTROL, ARM, [], arm=True) as made:
        yield made


def on_arm(
    cloud: DeployedCloud, command: str, stdin: bytes | None = None, forward: str | None = None
) -> str:
    """What a command prints on the ARM host.

    :param forward: a port of this machine's loopback that is one of that host's, too.
    """
    *ssh, host = cloud.bed.ssh(cloud.settings["deploy"]["hosts"][ARM]["address"])
    tunnel = ["-R", f"{forward}:127.0.0.1:{forward}"] if forward else []
    done = subprocess.run(
        [*ssh, *tunnel, host, command], input=stdin, capture_output=True, check=False
    )
    assert done.returncode == 0, (done.stdout[-10_000:] + done.stderr).decode()
    return done.stdout.decode()


def deploy(cloud: DeployedCloud, *words: str) -> None:
    done = cloud.run("deploy", *words)
    assert done.status == 0, done.stderr


def test_its_images_are_built(cloud: DeployedCloud) -> None:
    cloud.build()


def test_the_bare_machines_become_servers(cloud: DeployedCloud) -> None:
    deploy(cloud, "bootstrap-servers", "prechecks")
    assert "aarch64" in on_arm(cloud, "sudo docker info")


def test_each_pulls_its_own_of_an_index(cloud: DeployedCloud) -> None:
    deploy(cloud, "pull")
    asked = f"docker image inspect -f '{{{{.Architecture}}}}' {cloud.registry}/kolla/cron:2026.1"
    assert on_arm(cloud, f"sudo {asked}").strip() == "arm64"
    assert cloud.on(CONTROL, "sh", "-c", asked).strip() == "amd64"


def test_every_container_runs(cloud: DeployedCloud) -> None:
    deploy(cloud, "deploy", "post-deploy")
    states = on_arm(cloud, "sudo docker ps -a --format '{{.Names}} {{.State}}'").splitlines()
    assert {"nova_compute running", "nova_libvirt running"} <= set(states)
    assert all(line.endswith(" running") for line in states), states
    assert cloud.registered() == {ARM: "aarch64"}


def test_a_guest_on_it_has_a_console(cloud: DeployedCloud) -> None:
    """Through the control host's HAProxy and noVNC proxy, and it takes keys."""
    cloud.ensure_flavor()
    image = str(small_guest.make())
    # it has no root file system to look into
    done = cloud.run("guest", "publish", image, "--unchecked", "--name", GUEST)
    assert done.status == 0, done.stderr
    done = cloud.run("guest", "prove", GUEST, "--network", "none", "--timeout", LIMIT,
                     "--screenshot", str(FOLDER / "console.png"), "--json")  # fmt: skip
    assert done.status == 0, done.stderr
    assert ARM in done.stdout


def test_an_x86_64_image_is_not_started_on_it(cloud: DeployedCloud) -> None:
    done = cloud.run("guest", "publish", str(small_guest.make()), "--unchecked", "--name", "x86-64",
                     "--property", "architecture=x86_64")  # fmt: skip
    assert done.status == 0, done.stderr
    done = cloud.run("guest", "prove", "x86-64", "--network", "none")
    assert done.status == 1 and "No valid host" in done.stdout + done.stderr


def test_kollarm_is_set_up_on_it(cloud: DeployedCloud) -> None:
    """From a checkout, as anyone's is."""
    packed = subprocess.run(
        ["git", "archive", "--prefix=kollarm/", "HEAD"], cwd=project_dir(), capture_output=True,
        check=True,
    ).stdout  # fmt: skip
    on_arm(cloud, "tar -x", packed)
    on_arm(cloud, "cd kollarm && sudo scripts/setup")
    assert "aarch64" in on_arm(cloud, "cd kollarm && sudo .venv/bin/kollarm doctor || true")


def test_unit_tests_pass_there(cloud: DeployedCloud) -> None:
    on_arm(cloud, "cd kollarm && sudo scripts/setup tests")
    on_arm(cloud, "cd kollarm && sudo .venv/bin/python -m pytest -q -n 2 tests/unit")


def test_a_guest_is_inspected_there(cloud: DeployedCloud) -> None:
    """By libguestfs's appliance, under the machine's own KVM, which is emulated like all of it."""
    guest = guest_image.make(guest_image.LAYOUTS["ubuntu-22.04"])
    on_arm(cloud, "cat >guest.qcow2", guest.image.read_bytes())
    inspect = "sudo KOLLARM_KVM_LIMIT=900 kollarm/.venv/bin/kollarm guest inspect"
    inspected = on_arm(cloud, f"{inspect} guest.qcow2 --json")
    assert json.loads(inspected)["architecture"] == "aarch64"


def test_an_image_is_built_there_and_joined_with_one_from_here(
    cloud: DeployedCloud, registry: EmbeddedRegistry, tmp_path: Path
) -> None:
    """Into one registry, which both machines reach on their own loopback."""
    example = yaml.safe_load((project_dir() / "examples/quickstart.yml").read_text())
    settings = {
        "release": example["release"],
        "registry": {"address": registry.address},
        "build": example["build"] | {"images": ["base"]},
    }
    config = tmp_path / "kollarm.yml"
    config.write_text(yaml.safe_dump(settings))
    on_arm(cloud, "cat >kollarm.yml", config.read_bytes())
    port = registry.address.rpartition(":")[2]
    on_arm(cloud, "sudo kollarm/.venv/bin/kollarm build --arch aarch64", forward=port)
    done = kollarm("build", "--arch", "x86_64", "--config", config, cwd=tmp_path)
    assert done.status == 0, done.stderr
    index = RegistryClient(registry.address).index("kolla/base", example["release"])
    assert index is not None
    assert sorted(entry.architecture for entry in index.entries) == ["amd64", "arm64"]
