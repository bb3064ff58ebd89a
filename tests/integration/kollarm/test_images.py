"""All that ``make images`` does, with real engines, servers and emulated machines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from core.cache import file_digest
from core.config.load import load
from core.config.model import Config
from core.oci.registry import RegistryClient
from core.paths import project_dir
from core.run import run
from guestprep.publish import connect
from guestprep.publish.cloud import Glance
from kollarm.services.glance import EmbeddedGlance
from kollarm.services.registry import EmbeddedRegistry
from testbed.guest_image import LAYOUTS, GuestImage, make
from tests.support.commands import Outcome, interrupted, kollarm
from tests.support.deploy import CLOUD, containers, docker, python_on, remove, systemd_standin
from tests.support.image_trees import programs
from tests.support.servers import free_port

# The setup builds images of both architectures: half an hour on a machine that does more.
pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(3600)]


@dataclass(frozen=True)
class Project:
    """A project of its own, after the first ``kollarm images``."""

    path: Path
    config: Config
    source_sha256: str
    first: Outcome

    @property
    def result(self) -> Path:
        return self.config.state_dir / "guests" / "ubuntu-18.04-arm64.qcow2"


@pytest.fixture(scope="module")
def source() -> GuestImage:
    return make(LAYOUTS["ubuntu-18.04"])


@pytest.fixture(scope="module")
def project(source: GuestImage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """The quick start's own configuration, with ports and a state folder of its own."""
    folder = tmp_path_factory.mktemp("images")
    data = yaml.safe_load((project_dir() / "examples" / "quickstart.yml").read_text())
    data["state_dir"] = "state"
    data["registry"]["address"] = f"127.0.0.1:{free_port()}"
    data["cloud"]["port"] = free_port()
    [guest] = data["guests"]
    guest["source"]["path"] = str(source.image)
    guest["source"]["sha256sums"] = str(source.image.parent / "SHA256SUMS")
    guest["archives"][0]["uri"] = f"file:{source.archive}"
    guest["archives"][0]["keyring"] = str(source.keyring)
    path = folder / "kollarm.yml"
    path.write_text(yaml.safe_dump(data))
    digest = file_digest(source.image)
    config = load(path)
    first = kollarm("images", "--config", path, "--json")
    try:
        yield Project(path, config, digest, first)
    finally:
        EmbeddedRegistry(config.registry, config.state_dir).stop()
        EmbeddedGlance(config.state_dir, config.cloud.port).stop()


def test_the_run_succeeds_and_leaves_one_document(project: Project) -> None:
    assert project.first.status == 0, project.first.stderr
    record = project.first.document
    assert {row["state"] for row in record["build"]["images"]} <= {"built", "pushed"}
    assert len(record["build"]["images"]) == 6
    report = Path(record.pop("report"))
    assert report == project.config.state_dir / "report.html" and report.stat().st_size > 10_000
    assert json.loads((project.config.state_dir / "last-run.json").read_text()) == record


@pytest.mark.parametrize("image", ["base", "cron", "memcached"])
def test_one_tag_holds_both_architectures(project: Project, image: str) -> None:
    reference = f"docker://{project.config.registry.address}/kolla/{image}:2026.1"
    raw = run(["skopeo", "inspect", "--tls-verify=false", "--raw", reference]).stdout
    index = json.loads(raw)
    assert index["mediaType"] == "application/vnd.oci.image.index.v1+json"
    assert sorted(entry["platform"]["architecture"] for entry in index["manifests"]) == [
        "amd64",
        "arm64",
    ]
    layers = []
    for architecture in ("amd64", "arm64"):
        words = ["skopeo", "--override-arch", architecture, "inspect", "--tls-verify=false"]
        seen = json.loads(run([*words, reference]).stdout)
        assert seen["Architecture"] == architecture
        layers.append(seen["Layers"])
    assert layers[0][0] != layers[1][0]
    # A step whose files say nothing of an architecture gives both one layer, where it was run
    # for both within the same second: an empty folder, a configuration file.
    registry = RegistryClient(project.config.registry.address)
    for digest in set(layers[0]) & set(layers[1]):
        assert not programs(registry.blob(f"kolla/{image}", digest))


@pytest.mark.parametrize(
    ("platform", "machine"), [("linux/amd64", "x86_64"), ("linux/arm64", "aarch64")]
)
def test_each_entry_runs_on_its_own_architecture(
    project: Project, platform: str, machine: str
) -> None:
    reference = f"{project.config.registry.address}/kolla/cron:2026.1"
    run(["docker", "pull", "--quiet", "--platform", platform, reference])
    said = run(["docker", "run", "--rm", "--platform", platform, reference, "uname", "-m"])
    assert said.stdout.strip() == machine


def test_built_images_are_deployed_on_a_host_of_each_kind(project: Project, tmp_path: Path) -> None:
    """By kolla-ansible into the real engine; both "hosts" are this machine."""
    registry = project.config.registry.address
    tags = ("--tags", "cron", "--tags", "memcached")
    with systemd_standin(tmp_path / "bus") as bus, containers("cron", "memcached"):
        (tmp_path / "kollarm.yml").write_text(
            CLOUD.format(
                release="2026.1",
                tag="2026.1",
                registry=registry,
                folder=tmp_path,
                python=python_on(bus, tmp_path),
                project="",
            )
        )
        pulled = kollarm("deploy", "config", "pull", *tags, cwd=tmp_path)
        assert pulled.status == 0, pulled.stderr
        for host, names in (("ctl1", ["cron", "memcached"]), ("arm1", ["cron"])):
            words = ("--limit", host, *tags, "--json")
            done = kollarm("deploy", "deploy", *words, cwd=tmp_path)
            assert done.status == 0, done.stderr
            [result] = done.document["stages"][-1]["recap"]["hosts"]
            assert result["host"] == host and result["changed"] > 0
            for name in names:
                state = docker("inspect", "-f", "{{.State.Status}} {{.Config.Image}}", name)
                assert state == f"running {registry}/kolla/{name}:2026.1"
                remove(name)


def test_the_console_shows_a_login_prompt_only_afterwards(project: Project) -> None:
    [guest] = project.first.document["guests"]
    assert guest["before"]["passed"] is False
    assert guest["before"]["state"] == "display not active"
    assert "login" in guest["before"]["serial_state"]
    assert guest["after"]["passed"] is True
    assert guest["after"]["state"] == "login prompt"
    with Image.open(guest["after"]["screenshot"]) as picture:
        assert picture.format == "PNG" and picture.width >= 640
        light = sum(picture.convert("L").histogram()[128:])
    assert light > 500  # letters on a dark background


def test_the_serial_console_is_kept(project: Project) -> None:
    [guest] = project.first.document["guests"]
    assert "console=ttyAMA0" in json.dumps(guest["prepared"]["plan"])


def test_glance_knows_what_an_arm_guest_needs(project: Project) -> None:
    image = the_image(project)
    assert (image.status, image.visibility, image.disk_format) == ("active", "public", "qcow2")
    wanted = {
        "architecture": "aarch64",
        "hw_disk_bus": "scsi",
        "hw_firmware_type": "uefi",
        "hw_machine_type": "virt",
        "hw_scsi_model": "virtio-scsi",
        "hw_video_model": "virtio",
        "os_distro": "ubuntu",
        "os_version": "18.04",
    }
    assert wanted.items() <= image.properties.items()
    assert image.size == project.result.stat().st_size


def the_image(project: Project) -> Any:
    glance = EmbeddedGlance(project.config.state_dir, project.config.cloud.port)
    connection = connect(glance.cloud, clouds_yaml=glance.clouds_yaml)
    [image] = Glance(connection).find(name="ubuntu-18.04-arm64")
    return image


def test_the_source_is_as_it_was(project: Project, source: GuestImage) -> None:
    assert file_digest(source.image) == project.source_sha256


def test_a_second_run_builds_prepares_boots_and_uploads_nothing(project: Project) -> None:
    before = the_image(project)
    again = kollarm("images", "--config", project.path, "--json")
    assert again.status == 0, again.stderr
    record = again.document
    assert {row["state"] for row in record["build"]["images"]} == {"kept"}
    assert {row["state"] for row in record["build"]["indices"]} == {"kept"}
    [guest] = record["guests"]
    assert guest["prepared"]["kept"] and guest["before"]["kept"] and guest["after"]["kept"]
    [published] = guest["published"]
    assert published["action"] == "keep" and published["sent"] == 0
    assert the_image(project) == before


def test_the_tables_name_what_was_made(project: Project) -> None:
    shown = kollarm("images", "--config", project.path)
    assert shown.status == 0
    for word in ("memcached", "aarch64", "sha256:", "kolla/cron:2026.1", the_image(project).id):
        assert word in shown.stdout
    assert "\x1b" not in shown.stdout


def test_preparing_a_prepared_image_changes_nothing(project: Project, tmp_path: Path) -> None:
    data = yaml.safe_load(project.path.read_text())
    [guest] = data["guests"]
    guest["source"] = {"path": str(project.result), "sha256": file_digest(project.result)}
    data["state_dir"] = str(tmp_path / "state")
    config = tmp_path / "kollarm.yml"
    config.write_text(yaml.safe_dump(data))
    plan = kollarm("guest", "prepare", "--config", config, "--dry-run", "--json")
    assert plan.status == 0, plan.stderr
    assert plan.document[0]["steps"] == []


def test_an_interrupted_build_leaves_no_index_and_goes_on_later(project: Project) -> None:
    words = ("build", "cron", "--config", project.path, "--force")
    reference = f"docker://{project.config.registry.address}/kolla/cron:2026.1"
    inspect = ["skopeo", "inspect", "--tls-verify=false", "--raw", reference]
    before = run(inspect).stdout
    outcome = interrupted("(x86_64) …", *words)
    assert outcome.status == 130, outcome.stderr
    assert run(inspect).stdout == before
    assert "Traceback" not in outcome.stderr


@pytest.mark.parametrize("sign", ["source …", "appliance …", "write …", "compress …"])
def test_a_preparation_that_is_interrupted_leaves_nothing(
    project: Project, source: GuestImage, tmp_path: Path, sign: str
) -> None:
    target = tmp_path / "made" / "guest.qcow2"
    outcome = interrupted(sign, "guest", "prepare", "--config", project.path, "-o", target)
    assert outcome.status == 130, outcome.stderr
    assert "Traceback" not in outcome.stderr
    assert not target.exists()
    assert not target.parent.exists() or not list(target.parent.iterdir())
    assert file_digest(source.image) == project.source_sha256


def test_a_boot_that_is_interrupted_leaves_no_machine(project: Project, tmp_path: Path) -> None:
    outcome = interrupted(
        "boot", "guest", "boot", project.result, "--screenshot", tmp_path / "s.png"
    )
    assert outcome.status == 130, outcome.stderr
    assert not list(tmp_path.iterdir())


def test_verify_says_line_by_line_what_holds(project: Project, source: GuestImage) -> None:
    good = kollarm("guest", "verify", project.result, "--json")
    assert good.status == 0, good.stderr
    assert all(check["good"] for check in good.document["checks"])
    bad = kollarm("guest", "verify", source.image)
    assert bad.status == 1
    assert "virtio_gpu" in bad.stdout
