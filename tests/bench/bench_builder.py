"""What container images cost when nothing, or little, is to be done."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from builder import pipeline
from builder.execute import BuildExecution, BuildResources
from builder.facts import RenderedImage
from builder.plan import BuildAction, BuildPlan, ImageStep, IndexStep
from builder.reasons import BuildReason
from builder.request import BuildRequest
from builder.targets import Target
from core.config.load import load
from core.config.model import Architecture
from core.oci.model import RegistryImage
from core.oci.registry import RegistryClient
from core.paths import cache_dir, project_dir
from tests.bench.measure import Pair, Samples, at_most, measure
from tests.bench.projects import (
    CLOUD_PROFILES,
    KOLLARM,
    PROFILES,
    ROUNDS,
    THREE,
    complete,
    project,
    seconds,
)
from tests.support import buildkit, kolla_builds
from tests.support.registries import RunningRegistry
from tests.support.stocked import put


@measure(
    compared="`kollarm build` with nothing to do: the control and compute sets of two "
    "architectures, a registry on loopback",
    goal=at_most(3),
    unit="s",
)
def idle(folder: Path) -> Samples:
    """Asked often, so it may not take long."""
    with project(folder, PROFILES) as (path, client):
        assert complete(path, client) > 70
        for _ in range(ROUNDS):
            yield seconds([*KOLLARM, "build", "--config", path])


class FarRegistry:
    """Hands on what a registry on loopback says, 20 ms later; costs next to nothing itself."""

    def __init__(self, port: int):
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        serving = asyncio.start_server(partial(self._connected, port), "127.0.0.1", 0)
        self._server = asyncio.run_coroutine_threadsafe(serving, self._loop).result()
        self.port = int(self._server.sockets[0].getsockname()[1])

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)

    async def _end(self) -> None:
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for one in others:
            one.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _connected(
        self, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        registry, to_registry = await asyncio.open_connection("127.0.0.1", port)

        def later(piece: bytes) -> None:
            self._loop.call_later(0.02, writer.write, piece)

        async def ask() -> None:
            await self._hand_on(reader, to_registry.write)
            to_registry.close()

        await asyncio.gather(ask(), self._hand_on(registry, later))
        writer.close()

    @staticmethod
    async def _hand_on(source: asyncio.StreamReader, write: Callable[[bytes], object]) -> None:
        while piece := await source.read(1 << 16):
            write(piece)


@measure(
    compared="`kollarm build` with nothing to do: the control, network and compute sets of x86_64, "
    "the compute set of aarch64, a registry that answers 20 ms later",
    goal=at_most(1),
    unit="s",
)
def idle_and_far(folder: Path) -> Samples:
    """Requests cost what the network takes, so few of them may wait for others."""
    with project(folder, CLOUD_PROFILES) as (path, client):
        far = FarRegistry(int(client.address.rpartition(":")[2]))
        try:
            address = f"127.0.0.1:{far.port}"
            path.write_text(path.read_text().replace(client.address, address))
            assert complete(path, client) > 45
            for _ in range(ROUNDS):
                yield seconds([*KOLLARM, "build", "--config", path])
        finally:
            far.stop()


def forced(folder: Path, release: str, **environ: str) -> Samples:
    """All steps are carried out on both sides."""
    with project(folder, THREE, release=release) as (path, _):
        ours: list[str | Path] = [*KOLLARM, "build", "--config", path, "--force"]
        seconds(ours, **environ)  # makes the base image
        theirs = kolla_builds.command(load(path), path.parent, "base", "cron", "memcached")
        for _ in range(2):
            yield Pair(seconds(ours, **environ), seconds([*theirs, "--nocache"], **environ))


@measure(
    compared="`kollarm build --force`, which pushes too, against `kolla-build --nocache`: base, "
    "cron and memcached for x86_64, one base image",
    goal=at_most(0.9),
)
def forced_and_kolla_build(folder: Path) -> Samples:
    """Kolla 22, which builds with the engine's classic builder."""
    yield from forced(folder, "2026.1")


@measure(
    compared="the same of 2026.2, whose kolla-build uses BuildKit",
    goal=at_most(0.9),
)
def forced_and_kolla_build_23(folder: Path) -> Samples:
    """Kolla 23."""
    yield from forced(folder, "2026.2", **buildkit.plugin(folder / "docker"))


@measure(
    compared="`kollarm build` with nothing to do against kolla-build over its full layer "
    "cache: base, cron and memcached for x86_64",
    goal=at_most(1 / 20),
)
def idle_and_kolla_build(folder: Path) -> Samples:
    """kolla-build looks at every image again."""
    with project(folder, THREE) as (path, client):
        seconds([*KOLLARM, "build", "--config", path])
        theirs = kolla_builds.command(load(path), path.parent, "base", "cron", "memcached")
        seconds(theirs)  # fills its cache
        for _ in range(2):
            yield Pair(seconds([*KOLLARM, "build", "--config", path]), seconds(theirs))
        assert client.index("kolla/cron", "t") is not None


IMAGES = 100


#: A plan, and what the registry has for it.
Many = tuple[BuildPlan, dict[tuple[str, Architecture], RegistryImage]]


def many(client: RegistryClient, count: int = IMAGES) -> Many:
    """Images of two architectures in the registry, none of them joined."""
    steps: list[ImageStep] = []
    present: dict[tuple[str, Architecture], RegistryImage] = {}
    for number in range(count):
        name = f"image-{number}"
        for architecture in Architecture:
            key, repository = f"key-{name}-{architecture}", f"bench/{name}"
            put(client, repository, f"t-{architecture}", architecture, key)
            found = client.image(repository, f"t-{architecture}")
            assert found is not None
            present[name, architecture] = found
            target = Target(
                name=name,
                architecture=architecture,
                parent=None,
                key=key,
                reference=f"{client.address}/{repository}:t-{architecture}",
                rendered=RenderedImage(name, Path(name), None, name),
                dockerfile="FROM scratch",
            )
            steps.append(ImageStep(target, BuildAction.KEEP, BuildReason.UP_TO_DATE))
    indices = tuple(
        IndexStep(
            name=f"image-{number}",
            repository=f"bench/image-{number}",
            tag="t",
            members=tuple(Architecture),
            action=BuildAction.WRITE,
            reason=BuildReason.NOT_IN_REGISTRY,
        )
        for number in range(count)
    )
    plan = BuildPlan(
        release="2026.1",
        kolla_version="22.2.0",
        registry=client.address,
        overlays=(),
        images=tuple(steps),
        indices=indices,
        bases=(),
    )
    return plan, present


def joined(folder: Path, client: RegistryClient, made: Many, number: int) -> float:
    """How long it takes to write all indices under a tag of their own."""
    plan, present = made
    own = replace(plan, indices=tuple(replace(step, tag=f"t{number}") for step in plan.indices))
    began = time.monotonic()
    record = BuildExecution(own, BuildResources(client, {}, folder / "logs"), present).run()
    took = time.monotonic() - began
    record.raise_for_failures()
    assert len(record.indices) == len(own.indices)
    return took


@measure(
    compared="joining 100 images of two architectures, each index read back",
    goal=at_most(2),
    unit="s",
)
def joining(folder: Path) -> Samples:
    """No layer moves: an index names what the repository holds."""
    registry = RunningRegistry(folder / "registry")
    try:
        client = RegistryClient(registry.address)
        made = many(client)
        for number in range(ROUNDS):
            yield joined(folder, client, made, number)
    finally:
        registry.stop()


@measure(
    compared="time per image of joining 1,000 images of two architectures against joining 10",
    goal=at_most(1),
)
def joining_growth(folder: Path) -> Samples:
    """What grows faster than the number of images shows here."""
    registry = RunningRegistry(folder / "registry")
    try:
        client = RegistryClient(registry.address)
        few, most = many(client, 10), many(client, 1000)
        for number in range(3):
            small = joined(folder, client, few, number) / 10
            yield Pair(joined(folder, client, most, number) / 1000, small)
    finally:
        registry.stop()


@measure(
    compared="time per image of planning all images of two architectures (more than 300) against "
    "planning 20 of them",
    goal=at_most(1),
)
def planning_growth(folder: Path) -> Samples:
    """Facts of an empty registry and engine, and the plan that they make."""
    with project(folder, "engines: {x86_64: {url: local}, aarch64: {url: local}}") as (path, _):
        config = load(path)

        def per_image(*images: str) -> tuple[float, int]:
            began = time.monotonic()
            count = len(pipeline.plan(BuildRequest(config, images=images)).images)
            return (time.monotonic() - began) / count, count

        per_image("base")  # renders
        for _ in range(3):
            (most, many_images), (few, some) = per_image(".*"), per_image("nova-(api|compute)")
            assert some <= 20 and many_images >= 200
            yield Pair(most, few)


@measure(
    compared="joining 100 images of two architectures against `docker manifest create` and "
    "`push` in a loop",
    goal=at_most(1 / 5),
)
def joining_and_docker_manifest(folder: Path) -> Samples:
    """What the docker command offers for it."""
    registry = RunningRegistry(folder / "registry")
    try:
        client = RegistryClient(registry.address)
        made = many(client)
        for number in range(3):
            ours = joined(folder, client, made, number)
            config = folder / f"docker-{number}"
            config.mkdir()
            theirs = 0.0
            for one in range(IMAGES):
                name = f"{client.address}/bench/image-{one}"
                members = [f"{name}:t-{architecture}" for architecture in Architecture]
                docker: list[str | Path] = ["docker", "--config", config, "manifest"]
                theirs += seconds([*docker, "create", "--insecure", f"{name}:d", *members])
                theirs += seconds([*docker, "push", "--insecure", f"{name}:d"])
            yield Pair(ours, theirs)
    finally:
        registry.stop()


@measure(
    compared="`kollarm lint` of the shipped overlays, nothing rendered before, against "
    "`kolla-build --template-only` of all images",
    goal=at_most(1),
)
def lint(folder: Path) -> Samples:
    """Run before every commit to an overlay, if it is quick enough."""
    shipped = project_dir() / "dockerfile_overlays"
    theirs: list[str | Path] = [kolla_builds.program(), "--base", "debian", "--template-only"]
    theirs += ["--work-dir", folder / "work"]
    (folder / "kollarm.yml").write_text("{}\n")
    for number in range(3):
        cache = folder / f"cache-{number}"
        cache.mkdir()
        (cache / "venv").symlink_to(cache_dir() / "venv")
        ours: list[str | Path] = [
            *KOLLARM,
            "lint",
            "--config",
            folder / "kollarm.yml",
            "--overlays",
            shipped,
        ]
        yield Pair(seconds(ours, KOLLARM_CACHE=str(cache)), seconds(theirs))
