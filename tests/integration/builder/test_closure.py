"""What a change costs and what nothing costs, counted for the image sets of a whole cloud.

The registry is real and holds every image under its key; nothing has to be built.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from builder import pipeline
from builder.plan import BuildAction, BuildPlan
from builder.reasons import BuildReason
from builder.request import BuildRequest
from core.config.load import load
from core.config.model import Architecture, Config
from core.oci.registry import RegistryClient
from tests.support.commands import kollarm
from tests.support.registries import RunningRegistry
from tests.support.stocked import stock

pytestmark = pytest.mark.integration

X86, ARM = Architecture.X86_64, Architecture.AARCH64

OVERLAY = "description: What a test changes.\nwhy: To count what is built.\n"


class Cloud:
    """A configuration for control nodes and ARM compute nodes, and its registry."""

    def __init__(self, folder: Path, registry: RunningRegistry):
        self.folder = folder
        self.client = RegistryClient(registry.address)
        self.path = folder / "kollarm.yml"
        self.template = folder / "dockerfile_overlays/test/template-override.j2"
        self.template.parent.mkdir(parents=True)
        (self.template.parent / "overlay.yml").write_text(OVERLAY)
        self.template.write_text("")
        document = {
            "release": "2026.1",
            "registry": {"address": registry.address},
            "build": {
                "tag": "t",
                "overlays": ["debian-archive-only", "test"],
                "profiles": {"x86_64": ["control", "network"], "aarch64": ["compute"]},
            },
        }
        self.path.write_text(yaml.safe_dump(document))

    @property
    def config(self) -> Config:
        return load(self.path)

    def plan(self) -> BuildPlan:
        return pipeline.plan(BuildRequest(self.config))

    def stock(self) -> None:
        """Put every image that is lacking into the registry, and write the indices."""
        targets = [s.target for s in self.plan().images if s.action is not BuildAction.KEEP]
        stock(self.client, ((t.repository, t.tag, t.architecture, t.key) for t in targets))
        pipeline.build(BuildRequest(self.config)).raise_for_failures()


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    folder = tmp_path_factory.mktemp("cloud")
    registry = RunningRegistry(folder / "registry")
    made = Cloud(folder, registry)
    made.stock()
    yield made
    registry.stop()


def descendants(plan: BuildPlan, name: str, architecture: Architecture) -> set[str]:
    """An image and everything that starts from it, as far as the plan has it."""
    found = {name}
    for step in plan.images:  # each comes after its parent
        if step.target.architecture is architecture and step.target.parent in found:
            found.add(step.target.name)
    return found


@pytest.mark.parametrize(
    ("change", "image", "architectures"),
    [
        ("{% block nova_base_footer %}RUN echo mine{% endblock %}", "nova-base", (X86, ARM)),
        ("{% block cron_footer %}RUN echo mine{% endblock %}", "cron", (X86, ARM)),
        ("{% set openvswitch_base_packages_append = ['rsync'] %}", "openvswitch-base", (X86, ARM)),
        ("{% block base_footer %}{{ super() }}RUN echo{% endblock %}", "base", (X86, ARM)),
        ("{% block mariadb_footer %}RUN echo{% endblock %}", "mariadb-server", (X86,)),
        (
            "{% block nova_libvirt_footer %}{% if base_arch == 'aarch64' %}RUN echo{% endif %}"
            "{% endblock %}",
            "nova-libvirt",
            (ARM,),
        ),
        ("{% block zun_base_footer %}RUN echo mine{% endblock %}", None, ()),
        ("{# a word more, and nothing else #}", None, ()),
    ],
)
def test_a_change_builds_its_closure_and_nothing_else(
    cloud: Cloud, change: str, image: str | None, architectures: tuple[Architecture, ...]
) -> None:
    cloud.template.write_text(change)
    try:
        plan = cloud.plan()
    finally:
        cloud.template.write_text("")
    for architecture in Architecture:
        steps = [step for step in plan.images if step.target.architecture is architecture]
        built = {step.target.name for step in steps if step.action is not BuildAction.KEEP}
        touched = image is not None and architecture in architectures
        assert built == (descendants(plan, image, architecture) if touched and image else set())
        assert len(steps) > 12


def test_a_patch_of_one_image_changes_no_other(cloud: Cloud) -> None:
    document = yaml.safe_load(cloud.path.read_text())
    document["build"]["overlays"].append("nova-compute-pci-passthrough-by-host")
    before = cloud.path.read_text()
    cloud.path.write_text(yaml.safe_dump(document))
    try:
        plan = cloud.plan()
    finally:
        cloud.path.write_text(before)
    built = {
        (step.target.name, step.target.architecture)
        for step in plan.images
        if step.action is not BuildAction.KEEP
    }
    assert built == {("nova-compute", ARM)}


def test_nothing_to_do_is_nothing_done(cloud: Cloud) -> None:
    done = kollarm("build", "--config", cloud.path, "--json")
    assert done.status == 0, done.stderr
    record = done.document
    assert {row["state"] for row in record["images"]} == {"kept"}
    assert {row["state"] for row in record["indices"]} == {"kept"}
    assert len(record["images"]) > 40


def test_an_index_has_the_architectures_that_pull_it(cloud: Cloud) -> None:
    def members(name: str) -> set[str]:
        index = cloud.client.index(f"kolla/{name}", "t")
        assert index is not None
        return {entry.architecture for entry in index.entries}

    assert members("cron") == {"amd64", "arm64"}
    assert members("nova-compute") == {"arm64"}
    assert members("nova-api") == {"amd64"}


def test_a_run_for_one_architecture_keeps_the_others_entries(cloud: Cloud) -> None:
    done = kollarm("build", "--config", cloud.path, "--arch", "aarch64", "--json")
    assert done.status == 0, done.stderr
    index = cloud.client.index("kolla/cron", "t")
    assert index is not None
    assert {entry.architecture for entry in index.entries} == {"amd64", "arm64"}


def test_members_outside_the_configuration_go_only_if_asked(cloud: Cloud) -> None:
    document = yaml.safe_load(cloud.path.read_text())
    document["build"]["engines"] = {"aarch64": {"url": "local"}}
    del document["build"]["profiles"]["x86_64"]
    narrow = cloud.folder / "arm.yml"
    narrow.write_text(yaml.safe_dump(document))
    plain = kollarm("build", "--config", narrow, "--dry-run", "--json")
    asked = kollarm("build", "--config", narrow, "--drop-members", "--dry-run", "--json")
    assert {row["action"] for row in plain.document["indices"]} == {"keep"}
    [cron] = [row for row in asked.document["indices"] if row["image"] == "cron"]
    assert cron["action"] == "write" and cron["dropped"] == ["linux/amd64"]
    assert "amd64 is dropped" in cron["reason"]


def test_why_is_said_for_each_image(cloud: Cloud) -> None:
    cloud.template.write_text("{% block nova_base_footer %}RUN echo mine{% endblock %}")
    try:
        done = kollarm("build", "--config", cloud.path, "--dry-run")
        as_json = kollarm("build", "--config", cloud.path, "--dry-run", "--json")
    finally:
        cloud.template.write_text("")
    lines = [line.split() for line in done.stdout.splitlines()]
    assert all(len(words) > 4 for words in lines)
    actions = {(words[1], words[2]): words[0] for words in lines}
    assert actions["nova-base", "aarch64"] == "build" and actions["cron", "aarch64"] == "keep"
    reasons = {row["reason"] for row in json.loads(as_json.stdout)["images"]}
    assert reasons == {
        BuildReason.UP_TO_DATE,
        BuildReason.INPUTS_CHANGED,
        BuildReason.PARENT_CHANGES,
    }


def test_an_age_that_is_none(cloud: Cloud) -> None:
    done = kollarm("build", "--config", cloud.path, "--refresh", "yesterday")
    assert done.status == 2
    assert "'yesterday'" in done.stderr and "12h" in done.stderr
