"""An engine behind ssh: a real sshd on loopback, from which Docker's own client goes on."""

from __future__ import annotations

import gc
import getpass
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import docker
import psutil
import pytest

from builder.engines.docker import DockerEngine
from builder.engines.protocol import BuildFailed, BuildJob, Cancellation, Cancelled, EngineError
from core.config.model import Architecture
from core.oci.registry import RegistryClient
from core.run import end, which
from tests.support import tiny_root
from tests.support.registries import RunningRegistry, context
from tests.support.servers import free_port, listening

pytestmark = pytest.mark.integration

X86 = Architecture.X86_64
USER = getpass.getuser()

#: What a key makes of the session that it opens, in authorized_keys' own words.
KEYS = {
    "usual": "",
    "without-docker": 'environment="PATH=/nowhere" ',
    "without-engine": 'environment="DOCKER_HOST=unix:///nowhere/docker.sock" ',
    "stranger": None,
}


@dataclass(frozen=True)
class Host:
    """A machine with an ssh server."""

    folder: Path
    port: int

    @property
    def url(self) -> str:
        return f"ssh://{USER}@127.0.0.1:{self.port}"

    def reached_by(self, words: list[str]) -> bool:
        """Whether this is the command line of an ssh to it."""
        return words[0].endswith("ssh") and str(self.port) in words

    def client(self, key: str, *, known: bool = True) -> Path:
        """A folder for PATH with an ``ssh`` that has a key, and knows the host or doesn't."""
        folder = self.folder / f"{key}-{known}"
        folder.mkdir(exist_ok=True)
        (folder / "config").write_text(
            f"IdentityFile {self.folder / key}\nIdentitiesOnly yes\n"
            f"UserKnownHostsFile {self.folder / 'known_hosts' if known else '/dev/null'}\n"
            "GlobalKnownHostsFile /dev/null\n"
        )
        program = folder / "ssh"
        program.write_text(f'#!/bin/sh\nexec /usr/bin/ssh -F {folder / "config"} "$@"\n')
        program.chmod(0o755)
        return folder


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    folder = tmp_path_factory.mktemp("ssh")
    made = Host(folder, free_port())
    for name in ("host", *KEYS):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True
        )
    public = {name: (folder / f"{name}.pub").read_text() for name in ("host", *KEYS)}
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{made.port} {public['host']}")
    (folder / "authorized_keys").write_text(
        "".join(words + public[name] for name, words in KEYS.items() if words is not None)
    )
    (folder / "sshd_config").write_text(
        f"ListenAddress 127.0.0.1:{made.port}\nHostKey {folder / 'host'}\n"
        f"AuthorizedKeysFile {folder / 'authorized_keys'}\nStrictModes no\nUsePAM no\n"
        f"PermitUserEnvironment yes\nPasswordAuthentication no\nPidFile {folder / 'pid'}\n"
    )
    if os.getuid() == 0:  # where it wants its unprivileged half to be
        Path("/run/sshd").mkdir(exist_ok=True)
    server = which("sshd")
    assert server is not None
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [server, "-D", "-e", "-f", folder / "sshd_config"],
            stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    listening(process, made.port, folder / "log")
    yield made
    end(process)


def test_an_engine_behind_ssh_builds_and_pushes(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(host.client("usual")), prepend=":")
    engine = DockerEngine(host.url)
    assert engine.info() == DockerEngine().info()
    registry = RunningRegistry(tmp_path / "registry")
    try:
        reference = f"{registry.address}/test/far:t-x86_64"
        # more than a socket's buffer, so that the far side has to read while we write
        content = context("FROM scratch\nCOPY f /\n", f=bytes(3_000_000))
        made = engine.build(BuildJob(content, reference, X86))
        engine.publish(made, reference, X86)
        found = RegistryClient(registry.address).image("test/far", "t-x86_64")
        assert found is not None and found.architecture == "amd64"
    finally:
        registry.stop()
    with pytest.raises(BuildFailed, match="nowhere"):
        engine.build(BuildJob(context("FROM scratch\nCOPY nowhere /\n"), "kollarm-test/far:t", X86))


def test_steps_there_can_have_mounts(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Native tools need them; the engine's architecture decides whether it emulates."""
    monkeypatch.setenv("PATH", str(host.client("usual")), prepend=":")
    engine = DockerEngine(host.url)
    assert engine.no_mounts() is None
    assert engine.machine(Architecture.AARCH64) == engine.machine(X86) == engine.info().architecture
    content = tmp_path / "context.tar"
    text = f"{tiny_root.SHELL}RUN true\n"
    content.write_bytes(context(text, **{"root.tar": tiny_root.root()}).read())
    with content.open("rb") as stream:
        engine.build(BuildJob(stream, "kollarm-test/far:mounts", X86, mounts={}))
    with closing(docker.from_env()) as client:
        client.images.remove("kollarm-test/far:mounts")


def test_a_stopped_build_ends_on_the_far_side_too(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(host.client("usual")), prepend=":")
    control = Cancellation()

    def stop_when_asleep(step: str) -> None:
        if "sleep" in step:
            threading.Timer(1, control.stop).start()

    content = context(tiny_root.SHELL + "RUN sleep 987\n", **{"root.tar": tiny_root.root()})
    with pytest.raises(Cancelled):
        DockerEngine(host.url).build(
            BuildJob(content, "kollarm-test/far:t", X86, note=stop_when_asleep, control=control)
        )
    gc.collect()
    limit = time.monotonic() + 30
    while left := [
        words
        for process in psutil.process_iter(["cmdline"])
        if (words := process.info["cmdline"] or []) and ("987" in words or host.reached_by(words))
    ]:
        assert time.monotonic() < limit, left
        time.sleep(0.2)


def test_docker_host_may_name_it(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(host.client("usual")), prepend=":")
    monkeypatch.setenv("DOCKER_HOST", host.url)
    assert DockerEngine("local").info().architecture == "amd64"


@pytest.mark.parametrize(
    ("key", "known", "reason", "remedy"),
    [
        (
            "usual",
            False,
            "Host key verification failed",
            f"by hand: ssh -p {{port}} {USER}@127.0.0.1",
        ),
        ("stranger", True, "Permission denied (publickey", f"ssh-copy-id -p {{port}} {USER}@"),
        ("without-docker", True, "docker: command not found", "install Docker on that machine"),
        ("without-engine", True, "/nowhere/docker.sock", "systemctl start docker"),
    ],
)
def test_what_is_wrong_is_said_with_its_remedy(
    host: Host, key: str, known: bool, reason: str, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(host.client(key, known=known)), prepend=":")
    with pytest.raises(EngineError) as caught:
        DockerEngine(host.url)
    assert host.url in caught.value.message
    assert reason in caught.value.message
    assert remedy.format(port=host.port) in (caught.value.hint or "")


def test_nobody_listens_there() -> None:
    port = free_port()
    with pytest.raises(EngineError, match="Connection refused") as caught:
        DockerEngine(f"ssh://root@127.0.0.1:{port}")
    assert f"ssh -p {port} root@127.0.0.1" in (caught.value.hint or "")


def test_a_url_without_a_host() -> None:
    with pytest.raises(EngineError, match="no host"):
        DockerEngine("ssh://root@:22")
