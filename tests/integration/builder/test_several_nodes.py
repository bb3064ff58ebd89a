"""Several BuildKits behind one address: real BuildKit, a real balancer, a real registry."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from builder.base_image import BaseSource
from builder.engines.buildx import BuildxEngine
from builder.engines.protocol import BuildJob
from builder.execute import BuildExecution, BuildResources
from builder.facts import RenderedImage
from builder.plan import BuildAction, BuildPlan, ImageStep, IndexStep
from builder.reasons import BuildReason
from builder.record import BuildRecord
from builder.targets import Target
from core.config.model import Architecture
from core.oci.model import LABEL
from core.oci.registry import RegistryClient
from tests.support import buildkit, tiny_root
from tests.support.registries import RunningRegistry, packed

pytestmark = pytest.mark.integration

X86 = Architecture.X86_64
URL = "buildx://several"
LEAVES = 6


@pytest.fixture
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


@pytest.fixture
def several(
    nodes: list[buildkit.Node], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    with (
        buildkit.balanced(tmp_path / "balancer", nodes) as address,
        buildkit.builder(tmp_path / "docker", amd64=address) as environ,
    ):
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        yield


def plan(folder: Path, address: str) -> BuildPlan:
    """A parent and images upon it, each of which takes some seconds."""
    (folder / "context").mkdir()
    parents = {"parent": None} | {f"leaf{number}": "parent" for number in range(LEAVES)}
    steps = [
        ImageStep(
            Target(
                name=name,
                architecture=X86,
                parent=parent,
                key=name,
                reference=f"{address}/several/{name}:t-{X86}",
                rendered=RenderedImage(name, folder / "context", parent, name),
                dockerfile=f"FROM x\nRUN sleep 8; : {name}\nRUN : > /{name}\n",
            ),
            BuildAction.BUILD,
            BuildReason.FORCED,
        )
        for name, parent in parents.items()
    ]
    indices = [
        IndexStep(
            name=name,
            repository=f"several/{name}",
            tag="t",
            members=(X86,),
            action=BuildAction.WRITE,
            reason=BuildReason.MEMBERS_CHANGE,
        )
        for name in parents
    ]
    root = BaseSource(X86, f"{address}/several/root:t", "k")
    return BuildPlan("t", "23", address, (), tuple(steps), tuple(indices), (root,))


def build(folder: Path, client: RegistryClient) -> BuildRecord:
    buildx = BuildxEngine(URL, client)
    root = f"{client.address}/several/root:t"
    content = packed(tiny_root.SHELL, **{"root.tar": tiny_root.root(folder.name)})
    buildx.publish(buildx.build(BuildJob(content, root, X86)), root, X86)
    resources = BuildResources(client, {X86: buildx}, folder / "logs", jobs=LEAVES)
    return BuildExecution(plan(folder, client.address), resources, {}).run()


def test_images_of_a_level_are_spread(
    nodes: list[buildkit.Node], several: None, registry: RunningRegistry, tmp_path: Path
) -> None:
    client = RegistryClient(registry.address)
    build(tmp_path, client).raise_for_failures()
    for node in nodes:
        assert any(f": leaf{number}" in step for step in node.steps() for number in range(LEAVES))
    for number in range(LEAVES):
        # upon the same parent, whichever node has built that
        found = client.image(f"several/leaf{number}", f"t-{X86}")
        parent = client.image("several/parent", f"t-{X86}")
        assert found is not None and parent is not None
        assert found.layers[: len(parent.layers)] == parent.layers


def test_another_node_takes_over(
    nodes: list[buildkit.Node], several: None, registry: RunningRegistry, tmp_path: Path
) -> None:
    client = RegistryClient(registry.address)
    killing = threading.Thread(target=lambda: when_busy(nodes[1]))
    killing.start()
    record = build(tmp_path, client)
    killing.join()
    assert [row.error for row in record.images if row.error] == []
    record.raise_for_failures()
    for name in ("parent", *(f"leaf{number}" for number in range(LEAVES))):
        found = client.index(f"several/{name}", "t")
        assert found is not None
        member = client.image(f"several/{name}", found.entries[0].digest)
        assert member is not None and member.key == name


def when_busy(node: buildkit.Node) -> None:
    """Kill a node while it builds a leaf."""
    waiting = threading.Event()
    while not any(": leaf" in step for step in node.steps()):
        waiting.wait(0.2)
    node.kill()


def test_a_node_takes_layers_from_the_registry(
    nodes: list[buildkit.Node],
    registry: RunningRegistry,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = RegistryClient(registry.address)
    root = tiny_root.root(tmp_path.name)
    logs = []
    for number, node in enumerate(nodes):
        with buildkit.builder(tmp_path / f"docker{number}", amd64=node.address) as environ:
            for name, value in environ.items():
                monkeypatch.setenv(name, value)
            buildx = BuildxEngine(URL, client, layer_cache="kolla/layer-cache")
            log = tmp_path / f"log{number}"
            text = f'{tiny_root.SHELL}RUN : > /made\nLABEL {LABEL}="k{number}"\n'
            job = BuildJob(
                packed(text, **{"root.tar": root}), f"{registry.address}/kolla/x:t", X86, log=log
            )
            buildx.build(job)
            logs.append(log.read_text())
    assert client.manifest("kolla/layer-cache", f"x-{X86}") is not None
    assert "CACHED" not in logs[0] and "CACHED" in logs[1]
