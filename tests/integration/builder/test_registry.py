"""The registry client, the engine and the joining of indices, on a real registry and engine."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from builder import index
from builder.engines.docker import DockerEngine
from builder.engines.protocol import BuildFailed, BuildJob, EngineError
from core.config.model import Architecture
from core.errors import KollarmError
from core.oci.auth import Credentials
from core.oci.registry import OCI_INDEX, RegistryClient, RegistryError
from tests.support import tiny_root
from tests.support.registries import RunningRegistry, context, pushed, pushed_members
from tests.support.servers import free_port

pytestmark = pytest.mark.integration

X86, ARM = Architecture.X86_64, Architecture.AARCH64


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRegistry]:
    running = RunningRegistry(tmp_path_factory.mktemp("registry"))
    yield running
    running.stop()


@pytest.fixture(scope="module")
def client(registry: RunningRegistry) -> RegistryClient:
    return RegistryClient(registry.address)


@pytest.fixture(scope="module")
def engine() -> DockerEngine:
    return DockerEngine()


def test_two_architectures_are_joined_and_followed(
    engine: DockerEngine, client: RegistryClient, registry: RunningRegistry
) -> None:
    members = pushed_members(engine, client, "joined")
    for architecture, member in members.items():
        assert (member.architecture, member.key) == (architecture.oci, f"key-{architecture}")
        assert member.size > 0
    composed = index.compose(members)
    index.write(client, "test/joined", "t", composed)
    read = client.index("test/joined", "t")
    assert read is not None and read.digest == composed.digest and read.media_type == OCI_INDEX
    assert [entry.architecture for entry in read.entries] == ["arm64", "amd64"]
    assert read.digest != index.compose({X86: members[X86]}).digest
    assert client.image("test/joined", "t") is None
    assert client.architectures("test/joined", "t") == frozenset({"amd64", "arm64"})
    assert client.architectures("test/joined", f"t-{X86}") == frozenset({"amd64"})
    # what a container host does with it
    raw = subprocess.run(
        ["docker", "manifest", "inspect", "--insecure", f"{registry.address}/test/joined:t"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert '"amd64"' in raw.stdout and '"arm64"' in raw.stdout


def test_what_an_index_has_of_other_architectures_can_stay(
    engine: DockerEngine, client: RegistryClient
) -> None:
    members = pushed_members(engine, client, "gained")
    index.write(client, "test/gained", "t", index.compose({X86: members[X86]}))
    alone = client.index("test/gained", "t")
    assert alone is not None and [one.architecture for one in alone.entries] == ["amd64"]
    index.write(client, "test/gained", "t", index.compose({ARM: members[ARM]}, alone))
    both = client.index("test/gained", "t")
    assert both is not None
    assert {one.architecture: one.digest for one in both.entries} == {
        member.architecture: member.digest for member in members.values()
    }
    # an entry that leads nowhere is found before the index is written
    gone = replace(alone.entries[0], digest="sha256:" + "0" * 64)
    with pytest.raises(RegistryError, match="does not exist"):
        damaged = replace(alone, entries=(gone,))
        index.write(client, "test/gained", "t", index.compose({ARM: members[ARM]}, damaged))


def test_members_of_one_architecture_are_not_joined(
    engine: DockerEngine, client: RegistryClient
) -> None:
    found = pushed(engine, client, "twin", X86, b"x")
    with pytest.raises(RegistryError, match="linux/amd64"):
        index.write(client, "test/twin", "t", index.compose({X86: found, ARM: found}))
    assert client.manifest("test/twin", "t") is None


def test_what_is_not_there_is_none(client: RegistryClient) -> None:
    assert client.image("test/nothing", "t") is None
    assert client.index("test/nothing", "t") is None
    assert client.architectures("test/nothing", "t") is None


def test_nobody_listens() -> None:
    with pytest.raises(RegistryError, match="Connection refused") as caught:
        RegistryClient(f"127.0.0.1:{free_port()}").ping()
    assert caught.value.hint is not None


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[RunningRegistry]:
    """A registry that asks ann for the password ``correct``."""
    passwords = tmp_path / "htpasswd"
    # bcrypt of "correct", as htpasswd -B writes it
    passwords.write_text("ann:$2b$05$abcdefghijklmnopqrstuuSSgfZSwfwKPbBZRnD5O0VgRw2zVgiZC\n")
    running = RunningRegistry(
        tmp_path / "registry", auth={"htpasswd": {"realm": "r", "path": str(passwords)}}
    )
    yield running
    running.stop()


def test_credentials_that_docker_login_left(
    guarded: RunningRegistry, engine: DockerEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = base64.b64encode(b"ann:correct").decode()
    (tmp_path / "config.json").write_text(json.dumps({"auths": {guarded.address: {"auth": pair}}}))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    with pytest.raises(RegistryError, match="401") as caught:
        RegistryClient(guarded.address).ping()  # anybody may listen on loopback
    assert caught.value.hint is not None and "registry.insecure" in caught.value.hint
    client = RegistryClient(guarded.address, insecure=True)
    client.ping()
    found = pushed(engine, client, "guarded", X86, b"guarded")
    index.write(client, "test/guarded", "t", index.compose({X86: found}))


def test_the_wrong_password_is_not_repeated_aloud(
    guarded: RunningRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    with pytest.raises(RegistryError, match="401") as caught:
        RegistryClient(
            guarded.address, insecure=True, credentials=Credentials("ann", "secret-word")
        ).ping()
    assert caught.value.hint is not None and "docker login" in caught.value.hint
    assert "secret-word" not in f"{caught.value} {caught.value.details} {caplog.text}"


def test_a_failing_step_is_named_with_its_last_lines(engine: DockerEngine, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with pytest.raises(BuildFailed) as caught:
        engine.build(
            BuildJob(
                context("FROM scratch\nCOPY absent /\n"), "kollarm-test/failing:t", X86, log=log
            )
        )
    assert caught.value.step == "2/2 : COPY absent /"
    assert "Step 2/2" in log.read_text()
    assert caught.value.log == log


def test_a_failing_steps_output_is_shown_without_the_engines(
    engine: DockerEngine,
) -> None:
    text = f"{tiny_root.SHELL}RUN echo before\nRUN echo some words; echo more >&2; exit 3\n"
    content = context(text, **{"root.tar": tiny_root.root()})
    with pytest.raises(BuildFailed) as caught:
        engine.build(BuildJob(content, "kollarm-test/failing:t", X86))
    assert sorted(caught.value.lines) == ["more", "some words"]
    assert caught.value.message.endswith("step 4/4 : RUN echo some words; echo more >&2; exit 3: "
                                         "exit status 3")  # fmt: skip


def test_an_image_of_the_wrong_architecture_is_refused(engine: DockerEngine) -> None:
    reference = "kollarm-test/arch:t"
    engine.build(BuildJob(context("FROM scratch\nCOPY f /\n", f=b"1"), reference, ARM))
    with pytest.raises(EngineError, match="arm64, not amd64"):
        engine.require(reference, X86)


def test_an_engine_that_is_not_running() -> None:
    with pytest.raises(EngineError, match="socket") as caught:
        DockerEngine("unix:///nowhere/docker.sock")
    assert caught.value.hint is not None
    with pytest.raises(EngineError, match="Connection refused"):
        DockerEngine(f"tcp://127.0.0.1:{free_port()}")


def test_pushing_where_nobody_listens(engine: DockerEngine) -> None:
    reference = f"127.0.0.1:{free_port()}/test/x:t"
    engine.build(BuildJob(context("FROM scratch\nCOPY f /\n", f=b"2"), reference, X86))
    with pytest.raises(EngineError, match="pushed") as caught:
        engine.push(reference)
    assert isinstance(caught.value, KollarmError) and caught.value.hint


def test_a_blob_is_put_and_the_right_to_put_one_is_asked_for(
    client: RegistryClient, registry: RunningRegistry
) -> None:
    client.check_writable("test/blobs")
    digest = client.put_blob("test/blobs", b"some content")
    assert client.blob("test/blobs", digest) == b"some content"
    with pytest.raises(RegistryError):
        client.blob("test/blobs", "sha256:" + "0" * 64)
