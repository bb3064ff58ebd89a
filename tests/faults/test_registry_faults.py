"""A registry that fails, is cut off, is slow or is killed: no index is ever wrong."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from builder import index
from builder.engines.docker import DockerEngine
from core.config.model import Architecture
from core.errors import KollarmError
from core.oci.registry import RegistryClient, RegistryError
from tests.faults.counts import MOMENTS, count
from tests.support.proxy import Fault, Proxy
from tests.support.registries import RunningRegistry, pushed, pushed_members

SUBJECT = "registry failing"
X86, ARM = Architecture.X86_64, Architecture.AARCH64

FAULTS = (
    Fault(status=429),
    Fault(status=500),
    Fault(status=503),
    Fault(cut_after=0),
    Fault(cut_answer=20),
    Fault(delay=0.2),
)


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[RunningRegistry]:
    running = RunningRegistry(tmp_path / "registry")
    yield running
    running.stop()


@pytest.fixture
def proxy(registry: RunningRegistry) -> Iterator[Proxy]:
    made = Proxy(int(registry.address.rpartition(":")[2]))
    yield made
    made.stop()


def test_an_index_is_the_old_or_the_new_one_whatever_fails(
    registry: RunningRegistry, proxy: Proxy, dice: random.Random
) -> None:
    straight = RegistryClient(registry.address)
    shaky = RegistryClient(f"127.0.0.1:{proxy.port}")
    one, other = (pushed_members(DockerEngine(), straight, "x", what) for what in ("one", "other"))
    index.write(straight, "test/x", "t", index.compose(one))
    digests = {index.compose(each).digest: each for each in (one, other)}
    for moment in range(MOMENTS):
        proxy.faults.extend(dice.choices(FAULTS, k=dice.randint(1, 12)))
        wanted = other if moment % 2 == 0 else one
        try:
            index.write(shaky, "test/x", "t", index.compose(wanted))
            count(SUBJECT, "written nevertheless")
        except RegistryError as error:
            assert error.message
            count(SUBJECT, "refused with a message")
        proxy.faults.clear()
        found = straight.index("test/x", "t")
        assert found is not None and found.digest in digests
        index.check(straight, "test/x", "t", found.digest)
        count(SUBJECT, "indices read back whole")
        index.write(shaky, "test/x", "t", index.compose(wanted))
        count(SUBJECT, "finished by the next run")
    count(SUBJECT, "faults met", proxy.met)


def test_pushes_through_a_failing_registry(
    registry: RunningRegistry, proxy: Proxy, dice: random.Random
) -> None:
    engine, straight = DockerEngine(), RegistryClient(registry.address)
    shaky = RegistryClient(f"127.0.0.1:{proxy.port}")
    for moment in range(max(1, MOMENTS // 5)):
        proxy.faults.extend(dice.choices(FAULTS, k=dice.randint(1, 8)))
        name = f"pushed-{moment}"
        content = dice.randbytes(300_000)
        try:
            pushed(engine, shaky, name, X86, content)
            count("push to a failing registry", "done nevertheless")
        except KollarmError as error:
            assert error.message
            count("push to a failing registry", "refused with a message")
        proxy.faults.clear()
        found = straight.image(f"test/{name}", f"t-{X86}")
        assert found is None or found.architecture == "amd64"
        pushed(engine, shaky, name, X86, content)
        found = straight.image(f"test/{name}", f"t-{X86}")
        assert found is not None
        for layer in found.layers:
            straight.blob(f"test/{name}", layer)
        count("push to a failing registry", "finished by the next run")


def test_a_registry_that_is_killed_and_comes_back(
    registry: RunningRegistry, dice: random.Random
) -> None:
    """Killed at random moments of pushing two images and joining them, and started again."""
    subject, client = "registry killed", RegistryClient(registry.address)
    faults: list[KollarmError] = []

    def write(what: str) -> None:
        index.write(
            client, "test/y", "t", index.compose(pushed_members(DockerEngine(), client, "y", what))
        )

    def attempt(what: str) -> None:
        try:
            write(what)
        except KollarmError as error:
            faults.append(error)

    began = time.monotonic()
    write("usual")
    usual = time.monotonic() - began
    for moment in range(max(1, MOMENTS // 3)):
        writing = threading.Thread(target=attempt, args=(f"one {moment}",))
        writing.start()
        time.sleep(dice.uniform(0, usual))
        registry.kill()
        time.sleep(dice.uniform(0, 1))
        registry.start()
        writing.join()
        found = client.index("test/y", "t")
        assert found is not None
        index.check(client, "test/y", "t", found.digest)
        count(subject, "indices read back whole")
        write(f"one {moment}")
        count(subject, "finished by the next run")
    assert all(error.message for error in faults)
    count(subject, "refused with a message", len(faults))
