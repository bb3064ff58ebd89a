"""What container images cost when nothing, or little, is to be done."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from builder import base_image
from builder.execute import BuildExecution, BuildResources
from builder.facts import RenderedImage
from builder.kolla import releases
from builder.overlays.model import choose
from builder.plan import BuildAction, BuildPlan, ImageStep, IndexStep
from builder.reasons import BuildReason
from builder.rendering import render_all
from builder.targets import Target
from core import venv
from core.config.load import load
from core.config.model import Architecture
from core.oci.model import RegistryImage
from core.oci.registry import RegistryClient
from core.paths import cache_dir, project_dir
from tests.bench.measure import Pair, Samples, at_most, measure
from tests.bench.projects import KOLLARM, PROFILES, ROUNDS, THREE, complete, project, seconds
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


@measure(
    compared="`kollarm build` with nothing to do against kolla-build over its full layer "
    "cache: base, cron and memcached for x86_64",
    goal=at_most(1 / 20),
)
def idle_and_kolla_build(folder: Path) -> Samples:
    """kolla-build looks at every image again."""
    with project(folder, THREE) as (path, client):
        seconds([*KOLLARM, "build", "--config", path])
        theirs = kolla_build(path)
        seconds(theirs)  # fills its cache
        for _ in range(2):
            yield Pair(seconds([*KOLLARM, "build", "--config", path]), seconds(theirs))
        assert client.index("kolla/cron", "t") is not None


def kolla() -> Path:
    """kolla-build as its users have it: with the docker package, which Kolla doesn't ask for."""
    (requirement,) = releases.find("2026.1").requirements
    return venv.environment("kolla-build", [requirement, "docker"]) / "bin" / "kolla-build"


def kolla_build(path: Path) -> list[str | Path]:
    """kolla-build with the same base image and overrides, and nothing pushed."""
    config = load(path)
    overlays = choose(config.build.overlays, config.overlay_dirs)
    tree = render_all(config, overlays, [Architecture.X86_64])[Architecture.X86_64]
    name, tag = base_image.of(tree, config.build.base).reference.rsplit(":", 1)
    context = tree.images["base"].context
    override = next(
        file for one in context.parents if (file := one / "template-override.j2").is_file()
    )
    options = path.parent / "kolla-build.conf"
    options.write_text(
        f"[DEFAULT]\nbase = debian\nbase_image = {name}\nbase_tag = {tag}\npull = false\n"
        f"network_mode = host\nnamespace = kollarm-bench\ntag = t\n"
        f"work_dir = {path.parent / 'work'}\ntemplate_override = {override}\n"
    )
    return [kolla(), "--config-file", options, "^base$", "^cron$", "^memcached$"]


IMAGES = 100


#: A plan, and what the registry has for it.
Many = tuple[BuildPlan, dict[tuple[str, Architecture], RegistryImage]]


def many(client: RegistryClient) -> Many:
    """A hundred images of two architectures in the registry, none of them joined."""
    steps: list[ImageStep] = []
    present: dict[tuple[str, Architecture], RegistryImage] = {}
    for number in range(IMAGES):
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
        for number in range(IMAGES)
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
    assert len(record.indices) == IMAGES
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
    theirs: list[str | Path] = [kolla(), "--base", "debian", "--template-only"]
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
