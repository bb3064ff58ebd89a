"""A buildx builder of two nodes: real BuildKit, a real registry."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from builder import pipeline
from builder.attest import contents
from builder.base_image import BaseSource
from builder.engines.buildx import BuildxEngine
from builder.engines.protocol import BuildFailed, BuildJob, Cancellation, Cancelled, EngineError
from builder.native import tools
from builder.native.root import MOUNT
from builder.record import State
from builder.request import BuildRequest
from core import debian_root
from core.config.model import (
    Architecture,
    BaseImage,
    Bootstrap,
    Build,
    Config,
    Distro,
    Engine,
    Registry,
)
from core.errors import ConfigError
from core.oci.model import LABEL
from core.oci.registry import RegistryClient
from tests.support import buildkit, rpm_image, tiny_root
from tests.support.emulated_image import PACKAGES, TRIXIE, WHICH, foreign
from tests.support.registries import RunningRegistry, packed
from tests.support.servers import free_port

pytestmark = pytest.mark.integration

X86, ARM = Architecture.X86_64, Architecture.AARCH64
URL = "buildx://several"


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[buildkit.Node]]:
    folder = tmp_path_factory.mktemp("n")
    made = [buildkit.Node(folder / "1"), buildkit.Node(folder / "2")]
    yield made
    for node in made:
        node.stop()


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[RunningRegistry]:
    made = RunningRegistry(tmp_path / "registry")
    yield made
    made.stop()


@pytest.fixture(autouse=True)
def several(
    nodes: list[buildkit.Node], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    with buildkit.builder(
        tmp_path / "docker", amd64=nodes[0].address, arm64=nodes[1].address
    ) as environ:
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        yield


def test_each_architecture_is_built_by_its_node(registry: RunningRegistry, tmp_path: Path) -> None:
    client = RegistryClient(registry.address)
    buildx = BuildxEngine(URL, client)
    for architecture in (X86, ARM):
        buildx.check(architecture)
        reference = f"{registry.address}/test/parent:t-{architecture}"
        text = f'FROM scratch\nCOPY f /\nLABEL {LABEL}="k-{architecture}"\n'
        made = buildx.build(BuildJob(packed(text, f=b"1"), reference, architecture))
        assert made.architecture == architecture.oci
        # pushed, but nobody who asks for the tag gets it yet
        assert client.image("test/parent", f"t-{architecture}") is None
        buildx.publish(made, reference, architecture)
        found = client.image("test/parent", f"t-{architecture}")
        assert found is not None and found.digest == made.id
        buildx.ensure_present(reference, architecture, f"k-{architecture}", digest=made.id)
        with pytest.raises(EngineError, match="just pushed"):
            buildx.ensure_present(reference, architecture, "another", digest=made.id)


def test_what_is_built_upon_has_the_architecture(registry: RunningRegistry) -> None:
    """BuildKit gives an image the platform that was asked for, whatever its parent's is."""
    buildx = BuildxEngine(URL, RegistryClient(registry.address))
    parent = f"{registry.address}/test/child:parent"
    text = f'FROM scratch\nCOPY f /\nLABEL {LABEL}="k"\n'
    made = buildx.build(BuildJob(packed(text, f=b"1"), parent, ARM))
    buildx.publish(made, parent, ARM)
    named = f"{registry.address}/test/child@{made.id}"
    assert buildx.ensure_present(parent, ARM, "k", digest=made.id) == named
    with pytest.raises(EngineError, match="just pushed"):
        buildx.ensure_present(parent, X86, "k", digest=made.id)
    buildx.pull(parent, ARM)
    with pytest.raises(EngineError, match="arm64, not amd64"):
        buildx.pull(parent, X86)
    with pytest.raises(EngineError, match="arm64, not amd64"):
        buildx.publish(made, parent, X86)
    with pytest.raises(EngineError, match="nowhere"):
        buildx.pull(f"{registry.address}/test/nowhere:t", X86)


def test_a_failing_step_is_named_with_its_last_lines(
    registry: RunningRegistry, tmp_path: Path
) -> None:
    buildx = BuildxEngine(URL, RegistryClient(registry.address))
    steps: list[str] = []
    text = tiny_root.SHELL + 'RUN ["/bin/sh", "-c", "echo some words; exit 3"]\n'
    log = tmp_path / "log"
    with pytest.raises(BuildFailed) as caught:
        buildx.build(BuildJob(
            packed(text, **{"root.tar": tiny_root.root()}), f"{registry.address}/test/x:t", X86,
            log=log, note=steps.append,
        ))  # fmt: skip
    assert caught.value.lines == ["some words"]
    assert "2/2 : RUN" in caught.value.step
    assert caught.value.message.endswith(": exit status 3")
    assert any("RUN" in step for step in steps)
    assert "some words" in log.read_text()


def test_pushing_where_nobody_listens() -> None:
    address = f"127.0.0.1:{free_port()}"
    with pytest.raises(BuildFailed, match="connection refused") as caught:
        BuildxEngine(URL, RegistryClient(address)).build(
            BuildJob(packed("FROM scratch\nCOPY f /\n", f=b"1"), f"{address}/test/x:t", X86)
        )
    assert caught.value.step == "exporting to image"


def test_a_stopped_build_ends(registry: RunningRegistry) -> None:
    buildx = BuildxEngine(URL, RegistryClient(registry.address))
    control = Cancellation()
    text = tiny_root.SHELL + 'RUN ["/bin/sh", "-c", "while :; do :; done"]\n'

    def stop_when_running(step: str) -> None:
        if "RUN" in step:
            threading.Timer(0.5, control.stop).start()

    with pytest.raises(Cancelled):
        buildx.build(BuildJob(
            packed(text, **{"root.tar": tiny_root.root()}), f"{registry.address}/test/x:t", X86,
            note=stop_when_running, control=control,
        ))  # fmt: skip


def test_what_is_in_an_image_is_read_without_an_engine(registry: RunningRegistry) -> None:
    buildx = BuildxEngine(URL, RegistryClient(registry.address))
    reference = f"{registry.address}/test/listed:t"
    status = b"Package: x\nStatus: install ok installed\nVersion: 1\nArchitecture: arm64\n\n"
    text = (
        "FROM scratch\nCOPY o /usr/lib/os-release\nCOPY s /var/lib/dpkg/status\n"
        "COPY m /var/lib/kolla/venv/lib/python3/site-packages/y-2.dist-info/METADATA\n"
    )
    files = {"o": b"ID=debian\n", "s": status, "m": b"Name: y\nVersion: 2\n"}
    made = buildx.build(BuildJob(packed(text, **files), reference, ARM))
    buildx.publish(made, reference, ARM)
    found = contents.read(buildx, reference)
    assert found is not None
    assert found[0].id == "debian"
    assert {package.name for package in found[1]} == {"x", "y"}
    # one without any of these
    made = buildx.build(BuildJob(packed("FROM scratch\nCOPY o /\n", o=b""), reference, ARM))
    buildx.publish(made, reference, ARM)
    assert contents.read(buildx, reference) is None


def test_a_builder_that_is_not_there(registry: RunningRegistry) -> None:
    with pytest.raises(EngineError, match="nowhere") as caught:
        BuildxEngine("buildx://nowhere", RegistryClient(registry.address)).check(X86)
    assert "docker buildx create" in (caught.value.hint or "")


@pytest.mark.full
def test_a_node_that_does_not_answer(
    nodes: list[buildkit.Node], registry: RunningRegistry, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    port = free_port()
    with buildkit.builder(
        tmp_path / "half", amd64=nodes[0].address, arm64=f"127.0.0.1:{port}"
    ) as environ:
        monkeypatch.setenv("DOCKER_CONFIG", environ["DOCKER_CONFIG"])
        with pytest.raises(EngineError, match="node") as caught:
            BuildxEngine(URL, RegistryClient(registry.address)).check(ARM)
        assert "docker buildx inspect" in (caught.value.hint or "")


def test_no_buildx_at_all(
    registry: RunningRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    with pytest.raises(EngineError, match="buildx") as caught:
        BuildxEngine(URL, RegistryClient(registry.address)).check(X86)
    assert "docker-buildx" in (caught.value.hint or "")


def settings(registry: RunningRegistry, folder: Path, release: str, *, bootstrap: bool) -> Config:
    root = BaseImage(bootstrap=Bootstrap(suite="trixie")) if bootstrap else BaseImage()
    return Config(
        release=release,
        registry=Registry(address=registry.address),
        state_dir=folder / "state",
        build=Build(
            images=["base", "cron"],
            overlays=["ca-certificates", "debian-archive-only"],
            base=root,
            engines={X86: Engine(url=URL), ARM: Engine(url=URL)},
        ),
    )


def test_a_release_that_does_not_build_with_buildkit(
    registry: RunningRegistry, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="buildx") as caught:
        pipeline.plan(BuildRequest(settings(registry, tmp_path, "2026.1", bootstrap=True)))
    assert [fault.where for fault in caught.value.faults] == [
        "build.engines.x86_64.url",
        "build.engines.aarch64.url",
    ]


@pytest.mark.full
def test_kollas_images_of_two_architectures(registry: RunningRegistry, tmp_path: Path) -> None:
    """Emulated work: minutes.  Both at the same time, and a second run finds nothing to do."""
    config = settings(registry, tmp_path, "2026.2", bootstrap=True)
    record = pipeline.build(BuildRequest(config))
    record.raise_for_failures()
    assert {row.state for row in record.images} == {State.BUILT}
    client = RegistryClient(registry.address)
    for name in ("base", "cron"):
        index = client.index(f"kolla/{name}", "2026.2")
        assert index is not None
        assert sorted(entry.architecture for entry in index.entries) == ["amd64", "arm64"]
    assert pipeline.plan(BuildRequest(config)).idle


def test_what_a_program_of_an_image_prints(registry: RunningRegistry, tmp_path: Path) -> None:
    buildx = BuildxEngine(URL, RegistryClient(registry.address))
    reference = f"{registry.address}/test/rpm:t"
    made = buildx.build(
        BuildJob(
            packed(rpm_image.DOCKERFILE, **{"root.tar": rpm_image.root(tmp_path)}),
            reference,
            rpm_image.MACHINE,
        )
    )
    buildx.publish(made, reference, rpm_image.MACHINE)
    found = contents.read(buildx, reference)
    assert found is not None
    assert [package.name for package in sorted(found[1])] == ["plain", "with-epoch"]
    assert buildx.run_program(reference, ["no-such-program"]) is None


@pytest.mark.slow
def test_emulated_steps_have_native_tools(registry: RunningRegistry) -> None:
    buildx = BuildxEngine(URL, RegistryClient(registry.address))
    assert buildx.machine(foreign()) == buildx.machine(X86) == "amd64"
    base = BaseSource(foreign(), "unused", "key", Bootstrap(suite="trixie"))
    native = tools.ensure(base, buildx, Distro.DEBIAN)
    steps = f"RUN bash -c '{WHICH}' > /which\nLABEL {LABEL}=k\n"
    root = debian_root.root_tarball(TRIXIE, foreign(), PACKAGES).read_bytes()
    content = packed(native.mounted(f"FROM scratch\nADD root.tar /\n{steps}"), **{"root.tar": root})
    reference = f"{registry.address}/test/native:t"
    made = buildx.build(BuildJob(content, reference, foreign(), mounts=native.folders))
    named = f"{registry.address}/test/native@{made.id}"
    found = buildx.read_files(named, ["which", "etc/ld.so.preload"], lambda _: True)
    assert found == {"which": f"{MOUNT}/usr/bin/bash\n".encode()}


def test_a_base_of_another_registry_names_its_release(
    registry: RunningRegistry, tmp_path: Path
) -> None:
    elsewhere = RunningRegistry(tmp_path / "elsewhere")
    try:
        reference = f"{elsewhere.address}/library/debian:13"
        there = BuildxEngine(URL, RegistryClient(elsewhere.address))
        text = f"FROM scratch\nCOPY os-release /etc/\nLABEL {LABEL}=k\n"
        content = packed(text, **{"os-release": b"VERSION_CODENAME=trixie\n"})
        made = there.build(BuildJob(content, reference, foreign()))
        there.publish(made, reference, foreign())
        buildx = BuildxEngine(URL, RegistryClient(registry.address))
        base = BaseSource(foreign(), reference, "key")
        assert tools.archive_of(base, buildx, Distro.DEBIAN).suite == "trixie"
    finally:
        elsewhere.stop()
