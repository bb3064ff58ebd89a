"""Podman's own service as an engine."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from socket import AddressFamily

import psutil
import pytest
import yaml

from builder import base_image, index
from builder.engines.docker import DockerEngine
from builder.engines.protocol import BuildFailed, BuildJob, EngineError
from builder.keys import base_key
from builder.record import State
from core.config import model
from core.config.model import Architecture, Build, Config
from core.oci.registry import RegistryClient
from core.paths import project_dir
from core.run import run
from deploy.preflight import RequiredImage
from deploy.verified_images import playbook
from kollarm.doctor.engines import engines
from kollarm.doctor.model import Level
from tests.support import tiny_root
from tests.support.commands import kollarm
from tests.support.engines import podman
from tests.support.project import Project
from tests.support.registries import RunningRegistry, packed, pushed_members

pytestmark = pytest.mark.integration

X86, ARM = Architecture.X86_64, Architecture.AARCH64


@pytest.fixture(scope="module")
def socket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with podman(tmp_path_factory.mktemp("podman")) as path:
        yield path


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[RunningRegistry]:
    made = RunningRegistry(tmp_path / "registry")
    yield made
    made.stop()


@pytest.fixture
def found(socket: Path, monkeypatch: pytest.MonkeyPatch) -> DockerEngine:
    """Found as Podman's own client finds it."""
    monkeypatch.setenv("CONTAINER_HOST", f"unix://{socket}")
    return DockerEngine("podman://")


def own_address() -> str:
    """An address of this machine that isn't loopback's."""
    found = [one.address for many in psutil.net_if_addrs().values() for one in many
             if one.family is AddressFamily.AF_INET]  # fmt: skip
    return next(address for address in found if not address.startswith("127."))


def test_both_architectures_have_layers_of_their_own(
    found: DockerEngine, registry: RunningRegistry
) -> None:
    """Its cache takes an image for another architecture with the same steps for the same."""
    client = RegistryClient(registry.address)
    for architecture in (X86, ARM, X86):
        reference = f"{registry.address}/test/same:t-{architecture}"
        notes: list[str] = []
        made = found.build(
            BuildJob(
                packed("FROM scratch\nCOPY f /\nLABEL a=b\n", f=b"same"),
                reference,
                architecture,
                note=notes.append,
            )
        )
        assert made.architecture == architecture.oci
        assert notes[0] == "step 1/3 FROM scratch"
        digest = found.publish(made, reference, architecture)
        pushed = client.image("test/same", digest)
        assert pushed is not None and pushed.architecture == architecture.oci


def test_a_failing_step_is_named_with_its_last_lines(found: DockerEngine, tmp_path: Path) -> None:
    steps = "RUN echo some words; exit 3\n"
    with pytest.raises(BuildFailed) as caught:
        found.build(
            BuildJob(
                packed(tiny_root.SHELL + steps, **{"root.tar": tiny_root.root()}),
                "kollarm-test/failing:t",
                X86,
                log=tmp_path / "log",
            )
        )
    assert "RUN echo some words" in caught.value.step
    assert "some words" in caught.value.lines


def test_a_pulled_base_of_each_architecture(
    found: DockerEngine, registry: RunningRegistry, tmp_path: Path
) -> None:
    client = RegistryClient(registry.address)
    members = pushed_members(DockerEngine(), client, "pulled", content=str(tmp_path))
    index.write(client, "test/pulled", "t", index.compose(members))
    name = f"{registry.address}/test/pulled:t"
    bases = [base_image.BaseSource(one, name, base_key({"image": name})) for one in (X86, ARM)]
    for base in bases:
        base_image.ensure(base, found, client)
    for base in bases:
        child = f"{registry.address}/test/child:{base.architecture}"
        text = f"FROM {base_image.start(base, found)}\nLABEL a=b\n"
        made = found.build(BuildJob(packed(text), child, base.architecture))
        assert made.architecture == base.architecture.oci
        assert found.publish(made, child, base.architecture)
        assert found.read_files(made.id, ["file"], lambda _: True) == {
            "file": f"{base.architecture} {tmp_path}".encode()
        }
        pushed = client.image("test/child", base.architecture)
        assert pushed is not None
        # another machine's: pulled by digest
        assert found.ensure_present(
            child, base.architecture, f"key-{base.architecture}", digest=pushed.digest
        )


def test_a_step_mounts_another_stage(found: DockerEngine) -> None:
    """As Dockerfiles for BuildKit do; but it takes no image of another architecture."""
    assert "Podman" in (found.no_mounts() or "")
    text = f"FROM scratch AS other\nCOPY f /\n{tiny_root.SHELL}"
    text += 'RUN --mount=type=bind,from=other,target=/m ["/bin/sh", "-c", "test -e /m/f"]\n'
    files = {"root.tar": tiny_root.root("podman"), "f": b"x"}
    assert found.build(BuildJob(packed(text, **files), "kollarm-test/mounts:t", X86))


def test_a_program_of_an_image_runs(found: DockerEngine) -> None:
    root = {"root.tar": tiny_root.root()}
    made = found.build(BuildJob(packed(tiny_root.SHELL, **root), "kollarm-test/shell:t", X86))
    assert found.run_program(made.id, ["/bin/sh", "-c", "echo said"]) == b"said\n"
    assert found.run_program(made.id, ["/nowhere"]) is None


def test_a_docker_context_leads_to_it(
    socket: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    words = ["docker", "context", "create", "podman", "--docker", f"host=unix://{socket}"]
    subprocess.run(words, check=True, capture_output=True)
    assert not DockerEngine().info().podman
    monkeypatch.setenv("DOCKER_CONTEXT", "podman")
    assert DockerEngine().info().podman
    monkeypatch.delenv("DOCKER_CONTEXT")
    (tmp_path / "config.json").write_text(json.dumps({"currentContext": "podman"}))
    assert DockerEngine().info().podman
    monkeypatch.setenv("DOCKER_CONTEXT", "nowhere")
    with pytest.raises(EngineError, match="nowhere"):
        DockerEngine()


def test_the_doctor_knows_it(found: DockerEngine) -> None:
    config = Config(build=Build(engines={X86: model.Engine(url="podman://")}))
    [finding] = engines(config)
    assert finding.level is Level.GOOD and "Podman" in finding.text


def test_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.delenv("CONTAINER_HOST", raising=False)
    with pytest.raises(EngineError, match="Podman") as caught:
        DockerEngine("podman://")
    assert caught.value.hint is not None and "podman.socket" in caught.value.hint


def test_a_host_pulls_and_starts_what_was_built(
    found: DockerEngine,
    socket: Path,
    registry: RunningRegistry,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With the words that kollarm deploy has Ansible run on a host with Podman."""
    reference = f"{registry.address}/kolla/cron:t-x86_64"
    root = {"root.tar": tiny_root.root("host")}
    found.build(BuildJob(packed(tiny_root.SHELL, **root), reference, X86))
    digest = found.push(reference)
    image = RequiredImage(f"{registry.address}/kolla/cron:t", "cron", X86, ("host",))
    text = playbook(
        [image],
        {(registry.address, "kolla/cron", "t"): digest},
        engine="podman",
        registry_user=None,
    )
    [play] = yaml.safe_load(text)
    registries = tmp_path / "registries.conf"
    registries.write_text(f'[[registry]]\nlocation = "{registry.address}"\ninsecure = true\n')
    monkeypatch.delenv("CONTAINER_HOST")
    monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", str(registries))
    monkeypatch.setenv("CONTAINERS_STORAGE_CONF", str(socket.parent / "storage.conf"))
    monkeypatch.setenv("CONTAINERS_CONF", str(socket.parent / "containers.conf"))
    [item] = play["vars"]["kollarm_images"]["host"]
    for task in play["tasks"]:
        words = task["ansible.builtin.command"]["argv"]
        filled = [item.get(word[8:-3], word) if word.startswith("{{") else word for word in words]
        run(filled)
    said = run(["podman", "run", "--rm", "--network=none", item["tag"], "/bin/sh", "-c", "echo up"])
    assert said.stdout == "up\n"


def test_a_registry_over_plain_http_is_told(found: DockerEngine, tmp_path: Path) -> None:
    """Docker knows it by its own configuration."""
    registry = RunningRegistry(tmp_path / "registry", host=own_address())
    reference = f"{registry.address}/test/plain:t"
    try:
        found.build(BuildJob(packed("FROM scratch\nCOPY f /\n", f=b"x"), reference, X86))
        with pytest.raises(EngineError, match="HTTP"):
            found.push(reference)
        told = DockerEngine("podman://", insecure=registry.address)
        assert told.push(reference)
        assert told.pull(reference, X86)
    finally:
        registry.stop()


def test_hosts_with_podman_are_planned(tmp_path: Path) -> None:
    text = (project_dir() / "examples/hybrid-2026.1-debian.yml").read_text()
    changed = text.replace("  globals:\n", "  globals:\n    kolla_container_engine: podman\n")
    (tmp_path / "kollarm.yml").write_text(changed)
    done = kollarm("deploy", "--dry-run", cwd=tmp_path)
    assert done.status == 0, done.stderr
    assert "+kolla_container_engine: podman" in done.stdout


@pytest.mark.full
def test_images_of_kolla_are_built(found: DockerEngine, project: Project) -> None:
    """The whole pipeline, and that a second run keeps what the first one made."""
    config = project.config(X86)
    build = config.build.model_copy(update={"engines": {X86: model.Engine(url="podman://")}})
    config = config.model_copy(update={"build": build})
    for state in (State.BUILT, State.KEPT):
        record = project.build(config, "base", "cron")
        record.raise_for_failures()
        assert {row.state for row in record.images} == {state}
