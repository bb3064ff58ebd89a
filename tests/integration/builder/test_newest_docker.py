"""Docker 28 with the containerd image store, where a name may be that of an index."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from builder import base_image, index, pipeline
from builder.engines.docker import DockerEngine
from builder.engines.protocol import BuildJob
from builder.keys import base_key
from builder.record import State
from builder.request import BuildRequest
from core.config.model import Architecture, BaseImage, Config, Engine
from core.oci.registry import RegistryClient
from tests.support.engines import newest_docker
from tests.support.project import Project
from tests.support.registries import RunningRegistry, packed, pushed_members

pytestmark = [pytest.mark.integration, pytest.mark.slow]

X86, ARM = Architecture.X86_64, Architecture.AARCH64


@pytest.fixture(scope="module")
def newest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with newest_docker(tmp_path_factory.mktemp("docker")) as url:
        yield url


@pytest.mark.parametrize("of", ["newest", "local"])
@pytest.mark.parametrize("by_digest", [False, True])
@pytest.mark.parametrize("order", [(X86, ARM), (ARM, X86)])
def test_a_pulled_base_of_each_architecture(
    of: str,
    by_digest: bool,
    order: tuple[Architecture, ...],
    tmp_path: Path,
    newest: str,
) -> None:
    """Both have one name, which an engine shows as its own platform's or the last pulled one's."""
    url = newest if of == "newest" else of
    registry = RunningRegistry(tmp_path / "registry")
    try:
        client, engine = RegistryClient(registry.address), DockerEngine(url)
        members = pushed_members(DockerEngine(), client, "pulled", content=str(tmp_path))
        index.write(client, "test/pulled", "t", index.compose(members))
        found = client.index("test/pulled", "t")
        assert found is not None
        which = f"@{found.digest}" if by_digest else ":t"
        name = f"{registry.address}/test/pulled{which}"
        bases = [base_image.BaseSource(one, name, base_key({"image": name})) for one in order]
        for base in bases:
            base_image.ensure(base, engine, client)
        for base in bases:
            start = f"FROM {base_image.start(base, engine)}\n"
            for buildkit in (False, True):
                child = f"{registry.address}/test/child:{base.architecture}-{buildkit}"
                builder = DockerEngine(url, buildkit=buildkit)
                made = builder.build(
                    BuildJob(packed(f"{start}LABEL a={buildkit}\n"), child, base.architecture)
                )
                builder.publish(made, child, base.architecture)
                tag = child.rpartition(":")[2]
                pushed = client.image("test/child", tag)
                assert pushed is not None and pushed.architecture == base.architecture.oci
                assert pushed.layers == members[base.architecture].layers
    finally:
        registry.stop()


def test_an_index_in_the_engine_is_pushed(newest: str, tmp_path: Path) -> None:
    registry = RunningRegistry(tmp_path / "registry")
    try:
        client, engine = RegistryClient(registry.address), DockerEngine(newest)
        members = pushed_members(DockerEngine(), client, "whole", content=str(tmp_path))
        index.write(client, "test/whole", "t", index.compose(members))
        tag = f"{registry.address}/test/whole:t"
        written = client.index("test/whole", "t")
        assert written is not None
        # of an index, what it has
        engine.pull(tag, X86)
        engine.tag(tag, f"{registry.address}/test/whole:one")
        assert engine.push(f"{registry.address}/test/whole:one") == members[X86].digest
        words = ["docker", "pull", "--quiet", "--platform", ARM.platform, tag]
        subprocess.run(words, env={"DOCKER_HOST": newest}, check=True, capture_output=True)
        engine.tag(tag, f"{registry.address}/test/whole:both")
        assert engine.push(f"{registry.address}/test/whole:both") == written.digest
    finally:
        registry.stop()


@pytest.fixture(scope="module")
def config(newest: str, project: Project) -> Config:
    """Both architectures on the engine, on a base image that it pulls."""
    made = project.config(X86, ARM)
    engine = DockerEngine(newest)
    client = RegistryClient(project.registry.address)
    members = {}
    for base in pipeline.prepare(BuildRequest(made, images=["cron"])).bases:
        base_image.ensure(base, engine, client)
        reference = f"{client.address}/test/debian:t-{base.architecture}"
        made_image = engine.image(base.reference)
        assert made_image is not None
        engine.tag(made_image.id, reference)
        engine.publish(made_image, reference, base.architecture)
        found = client.image("test/debian", f"t-{base.architecture}")
        assert found is not None
        members[base.architecture] = found
    index.write(client, "test/debian", "t", index.compose(members))
    build = made.build.model_copy(
        update={
            "base": BaseImage(name=f"{client.address}/test/debian", tag="t"),
            "engines": {one: Engine(url=newest) for one in (X86, ARM)},
        }
    )
    return made.model_copy(update={"build": build})


@pytest.mark.full
def test_the_whole_pipeline(config: Config, newest: str, project: Project) -> None:
    def states(tag: str = "t", **options: bool | timedelta) -> set[State]:
        build = config.build.model_copy(update={"tag": tag})
        changed = config.model_copy(update={"build": build})
        record = pipeline.build(BuildRequest(changed, images=["base", "cron"], **options))  # type: ignore[arg-type]
        record.raise_for_failures()
        for row in record.indices:
            found = client.index(f"kolla/{row.image}", tag)
            assert found is not None
            assert {entry.architecture for entry in found.entries} == {"amd64", "arm64"}
        return {row.state for row in record.images}

    client = RegistryClient(project.registry.address)
    assert states() == {State.BUILT}
    assert states() == {State.KEPT}
    # the engine keeps what it pulls as an index, and pushes it as one
    environ = {"DOCKER_HOST": newest}
    name = f"{client.address}/kolla/cron"
    for words in (["rmi", f"{name}:t-{X86}"], ["pull", "--quiet", f"{name}:t"]):
        subprocess.run(["docker", *words], env=environ, check=True, capture_output=True)
    assert states("other") == {State.PUSHED}
    assert states(force=True) == {State.BUILT}
    assert states(refresh=timedelta(0)) == {State.BUILT}
