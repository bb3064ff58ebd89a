"""The page of shell that kollarm began with: each of its steps, and what does it here.

docs/from-the-page.md says the same to a reader; each row of its table is one test, found by the
words of its first cell.  What needs more than plans (Rocky's Nova, the hosts' Ansible, a boot, a
Glance) is tested where those are: test_shipped.py, test_deploy.py, test_layouts.py, test_upload.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from builder.context import dockerfile
from builder.overlays.model import choose
from builder.rendering import render_all
from core.config.load import parse
from core.config.model import Architecture, Config
from core.kolla_ansible.releases import find
from core.kolla_ansible.toolchain import toolchain
from core.paths import project_dir
from deploy import DeployPlan, plan
from deploy.passwords import PasswordsAction
from guestprep.plan.make import make_plan
from guestprep.plan.model import (
    FileStep,
    GrubStep,
    InitramfsStep,
    InstallStep,
    PreparationPlan,
)
from guestprep.publish import properties
from guestprep.source import catalogue
from guestprep.spec import PreparationSpec
from tests.support.glance_images import LOCAL, SPEC
from tests.support.guest_facts import EXTRA, META, STATUS, UBUNTU_18_04, StubArchive

pytestmark = pytest.mark.integration

PAGE = project_dir() / "docs/from-the-page.md"
EXAMPLE = project_dir() / "examples/hybrid-rocky.yml"
SHIPPED = project_dir() / "dockerfile_overlays"
CONTROL, COMPUTE = ("control01", "control02", "control03"), "compute01"

#: Words of the first cell of a row → its test.
STEPS: dict[str, Callable[[], None]] = {}


def step(words: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Register a function as the test of the row with these words."""

    def registered(function: Callable[[], None]) -> Callable[[], None]:
        STEPS[words] = function
        return function

    return registered


@cache
def example() -> Config:
    return parse(EXAMPLE.read_text(), EXAMPLE)


@cache
def deployment() -> DeployPlan:
    config = example()
    assert config.deploy is not None
    return plan(config, config.deploy)


def written(name: str) -> dict[str, Any]:
    """A file of variables that the plan would write, such as globals.yml."""
    (change,) = (one for one in deployment().files if one.path.name == name)
    variables = yaml.safe_load(change.after or "")
    assert isinstance(variables, dict)
    return variables


@cache
def preparation() -> PreparationPlan:
    """Of an Ubuntu 18.04 image as published."""
    return make_plan(UBUNTU_18_04, STATUS, PreparationSpec(), StubArchive(EXTRA, META))


@step("interfaces per host")
def interfaces() -> None:
    control = written("control01.yml")
    assert control["neutron_external_interface"] == "ens224"
    assert control["api_interface"] == control["tunnel_interface"] == "ens192"
    assert control["kolla_external_vip_interface"] != control["api_interface"]
    arm = written("compute01.yml")
    assert arm["neutron_external_interface"] == "enP2p1s0f3"
    assert arm["api_interface"] == arm["storage_interface"] == "enP2p1s0f2"


@step("kolla -b stable/rocky")
def kolla() -> None:
    trees = render_all(example(), [], [Architecture.AARCH64])
    assert len(trees[Architecture.AARCH64].images) > 100


@step("RUN … sed")
def pci_passthrough() -> None:
    chosen = choose(example().build.overlays, [SHIPPED])
    images = render_all(example(), chosen, list(Architecture))
    arm, x86 = (
        dockerfile.essence((images[one].images["nova-compute"].context / "Dockerfile").read_text())
        for one in (Architecture.AARCH64, Architecture.X86_64)
    )
    removed = arm.index("driver.pyc"), arm.index(r"/data\['pci_passthrough_/d")
    place = arm.index("COPY extend_start.sh /usr/local/bin/kolla_nova_extend_start")
    assert removed[0] < removed[1] < arm.index("/self._get_pci_passthrough_devices()/d") < place
    assert "pci_passthrough" not in x86, "the control nodes' Nova stays as it is"


@step("tools/build.py")
def build() -> None:
    build = example().build
    assert (build.distro, build.tag) == ("ubuntu", "rocky")
    assert {image.repository for image in deployment().images} >= {
        "kolla/ubuntu-source-nova-compute",
        "kolla/ubuntu-source-nova-libvirt",
    }


@step("--tag rocky")
def one_tag() -> None:
    assert {image.tag for image in deployment().images} == {"rocky"}
    for host in (*CONTROL, COMPUTE):
        assert not {"docker_registry", "openstack_release"} & written(f"{host}.yml").keys()
    assert written("globals.yml")["docker_registry"] == "registry.example.org:5000"


@step("pip install -U ansible")
def kolla_ansible() -> None:
    tools = toolchain(find("rocky"))
    assert tools.program("kolla-ansible").is_file()
    assert not any(change.path.is_relative_to("/etc") for change in deployment().files)


@step("grep -r transport_url")
def transport_urls() -> None:
    variables = written("globals.yml")
    for name in ("rpc_transport_url", "notify_transport_url"):
        assert variables[name].endswith("/")


@step("enable_fluentd")
def fluentd() -> None:
    assert written("compute01.yml")["enable_fluentd"] is False
    assert not any("enable_fluentd" in written(f"{host}.yml") for host in CONTROL)
    assert "enable_fluentd" not in written("globals.yml")


@step("cp … multinode")
def inventory() -> None:
    (hosts,) = (one.after or "" for one in deployment().files if one.path.name == "hosts")
    groups = {
        section.partition("]")[0]: section.partition("]")[2].split()
        for section in hosts.split("\n[")[1:]
    }
    assert groups["control"] == groups["network"] == list(CONTROL)
    assert groups["inner-compute"] == []
    assert groups["external-compute"] == [COMPUTE]
    variables = written("compute01.yml")
    assert variables["ansible_become"] is True
    assert variables["ansible_user"] and variables["ansible_ssh_private_key_file"]


@step("remote_src")
def remote_src() -> None:
    files = toolchain(find("rocky")).root / "share/kolla-ansible"
    assert not [
        path for path in files.rglob("*") if path.is_file() and b"remote_src" in path.read_bytes()
    ]


@step("generate_passwords")
def passwords() -> None:
    assert deployment().passwords.action is PasswordsAction.CREATE


@step("bootstrap-servers")
def stages() -> None:
    assert [command.stage for command in deployment().commands] == [
        "bootstrap-servers", "prechecks", "pull", "deploy", "post-deploy",
    ]  # fmt: skip


@step("admin-openrc")
def credentials() -> None:
    assert deployment().commands[-1].argv[:2] == ("kolla-ansible", "post-deploy")


@step("`uefi` in its name")
def uefi_image() -> None:
    assert "uefi" in catalogue.find("ubuntu-16.04").file
    assert "uefi" not in catalogue.find("ubuntu-18.04").file


@step("openstack image create")
def published() -> None:
    row = next(row for row in rows() if "openstack image create" in row)
    asked = dict(re.findall(r"--property (\w+)='([\w-]+)'", row))
    assert len(asked) == 3
    wanted = properties.wanted(SPEC)
    assert asked.items() <= wanted.items()
    assert wanted["architecture"] == "aarch64"
    attributes = properties.attributes(SPEC, LOCAL)
    assert attributes["visibility"] == "public"
    assert (attributes["disk_format"], attributes["container_format"]) == ("qcow2", "bare")


@step("GRUB_CMDLINE_LINUX_DEFAULT")
def console() -> None:
    (grub,) = preparation().steps_of(GrubStep)
    assert grub.consoles[-1] == "tty1"


@step("linux-image-extra-virtual")
def modules() -> None:
    (install,) = preparation().steps_of(InstallStep)
    assert "linux-image-extra-virtual" in install.manual


@step("/etc/modules")
def loading() -> None:
    (load,) = (one for one in preparation().steps_of(FileStep) if "modules-load.d" in one.path)
    assert "virtio_gpu" in load.content


@step("update-initramfs -u")
def initramfs() -> None:
    assert preparation().steps_of(InitramfsStep)
    assert any("initramfs-tools" in one.path for one in preparation().steps_of(FileStep))


def rows() -> list[str]:
    table = PAGE.read_text().split("\n\n| the page's step")[1].split("\n\n")[0]
    return [line.split(" | ")[0] for line in table.splitlines()[2:]]


@pytest.mark.parametrize("words", STEPS)
def test_each_step_of_the_page(words: str) -> None:
    STEPS[words]()


def test_each_row_has_its_test() -> None:
    found = [[words for words in STEPS if words in row] for row in rows()]
    assert [len(words) for words in found] == [1] * len(STEPS), found
    assert [words for (words,) in found] == list(STEPS)


def test_the_page_leads_to_its_examples() -> None:
    assert all(
        Path(PAGE.parent / link).exists()
        for link in re.findall(r"\]\((\.\./.*?)\)", PAGE.read_text())
    )
