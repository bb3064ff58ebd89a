"""Engines elsewhere: a second Docker Engine on loopback that asks for certificates."""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest

from builder import base_image, index
from builder.engines.configured import connect
from builder.engines.docker import DockerEngine
from builder.engines.protocol import BuildJob, EngineError
from builder.execute import BuildExecution, BuildResources
from builder.facts import RenderedImage
from builder.plan import BuildAction, BuildPlan, ImageStep, IndexStep
from builder.reasons import BuildReason
from builder.record import BuildRecord
from builder.targets import Target
from core.config import model
from core.config.model import Architecture, Build, Config
from core.errors import ConfigError
from core.oci.registry import RegistryClient
from tests.support import tiny_root
from tests.support.registries import RunningRegistry, context
from tests.support.servers import free_port, listening, stop_engine

pytestmark = pytest.mark.integration

X86, ARM = Architecture.X86_64, Architecture.AARCH64
#: A registry that the second engine alone speaks plain HTTP with (RFC 5737: nobody's address).
PLAIN = "198.51.100.7:5000"


@dataclass(frozen=True)
class Remote:
    """A running engine, and the folder of what a client of it needs."""

    url: str
    certificates: Path


def openssl(folder: Path, *words: str) -> None:
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)


def authority(folder: Path) -> None:
    """A certificate authority of its own: ca.pem and its key."""
    folder.mkdir(parents=True)
    openssl(folder, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1",
            "-subj", "/CN=test authority", "-keyout", "ca-key.pem", "-out", "ca.pem")  # fmt: skip


def certificate(folder: Path, name: str, key: str) -> None:
    """A certificate for loopback, signed by the folder's authority."""
    openssl(folder, "req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}",
            "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key,
            "-out", "request.csr")  # fmt: skip
    openssl(folder, "x509", "-req", "-in", "request.csr", "-CA", "ca.pem",
            "-CAkey", "ca-key.pem", "-CAcreateserial", "-days", "1",
            "-copy_extensions", "copy", "-out", f"{name}.pem")  # fmt: skip


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Remote]:
    folder = tmp_path_factory.mktemp("engine")
    own = folder / "certificates"
    authority(own)
    certificate(own, "server", "server-key.pem")
    certificate(own, "cert", "key.pem")
    port = free_port()
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            ["dockerd", "--host", f"tcp://127.0.0.1:{port}", "--tlsverify",
             "--tlscacert", own / "ca.pem", "--tlscert", own / "server.pem",
             "--tlskey", own / "server-key.pem", "--data-root", folder / "data",
             "--exec-root", folder / "run", "--pidfile", folder / "pid",
             # With "--bridge none" it would remove the bridge of the machine's own engine.
             "--iptables=false", "--ip6tables=false", "--storage-driver", "vfs",
             "--insecure-registry", PLAIN],
            stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    listening(process, port, folder / "log")
    yield Remote(f"tcp://127.0.0.1:{port}", own)
    stop_engine(process, folder / "run")


def test_an_engine_with_certificates_builds_and_pushes(remote: Remote, tmp_path: Path) -> None:
    """x86_64 on the machine's own engine, aarch64 on another: one index over both."""
    config = Config(
        build=Build(
            engines={
                X86: model.Engine(),
                ARM: model.Engine(url=remote.url, tls=remote.certificates),
            }
        )
    )
    registry = RunningRegistry(tmp_path / "registry")
    try:
        client = RegistryClient(registry.address)
        ends = connect(config, {X86, ARM}, client)
        assert ends[X86] is not ends[ARM]
        members = {}
        for architecture, engine in ends.items():
            reference = f"{registry.address}/test/apart:t-{architecture}"
            content = context("FROM scratch\nCOPY f /\n", f=architecture.encode())
            made = engine.build(BuildJob(content, reference, architecture))
            engine.publish(made, reference, architecture)
            found = client.image("test/apart", f"t-{architecture}")
            assert found is not None
            members[architecture] = found
        assert ends[X86].image(f"{registry.address}/test/apart:t-{ARM}") is None
        index.write(client, "test/apart", "t", index.compose(members))
    finally:
        registry.stop()


def test_an_engine_that_wants_tls_is_told_before_anything(remote: Remote) -> None:
    """A registry without it is named in the engine's own configuration, or nothing is pushed."""
    registry = model.Registry(address=PLAIN, insecure=True)
    client = RegistryClient(PLAIN, insecure=True)
    with pytest.raises(ConfigError) as caught:
        connect(Config(registry=registry), {X86}, client)
    assert PLAIN in caught.value.message and "insecure-registries" in (caught.value.hint or "")
    other = model.Engine(url=remote.url, tls=remote.certificates)
    config = Config(registry=registry, build=Build(engines={X86: other, ARM: other}))
    assert connect(config, {X86}, client).keys() == {X86}


def apart(folder: Path, address: str) -> BuildPlan:
    """Two images of each architecture, one upon the other, each of which takes a while."""
    (folder / "context").mkdir()
    steps = []
    for architecture in (X86, ARM):
        for name, parent in (("lower", None), ("upper", "lower")):
            text = f"FROM x\nRUN sleep 1; : {folder.name}\n"
            target = Target(
                name=name,
                architecture=architecture,
                parent=parent,
                key=f"{name}-{architecture}",
                reference=f"{address}/apart/{name}:t-{architecture}",
                rendered=RenderedImage(name, folder / "context", parent, name),
                dockerfile=text,
            )
            steps.append(ImageStep(target, BuildAction.BUILD, BuildReason.FORCED))
    return BuildPlan(
        release="t",
        kolla_version="22",
        registry=address,
        overlays=(),
        images=tuple(steps),
        indices=tuple(
            IndexStep(
                name=name,
                repository=f"apart/{name}",
                tag="t",
                members=(X86, ARM),
                action=BuildAction.WRITE,
                reason=BuildReason.MEMBERS_CHANGE,
            )
            for name in ("lower", "upper")
        ),
        bases=tuple(
            base_image.BaseSource(architecture, f"{address}/apart/root:{architecture}", "k")
            for architecture in (X86, ARM)
        ),
    )


def spans(record: BuildRecord) -> dict[Architecture, tuple[float, float]]:
    """When each architecture's first build began and its last ended, in seconds."""
    found: dict[Architecture, tuple[float, float]] = {}
    for row in record.images:
        assert row.started is not None
        began = datetime.fromisoformat(row.started).timestamp()
        first, last = found.get(row.architecture, (began, began))
        found[row.architecture] = (min(first, began), max(last, began + row.seconds))
    return found


def overlap(record: BuildRecord) -> float:
    """The seconds in which images of both architectures were under way."""
    found = spans(record).values()
    return min(end for _, end in found) - max(began for began, _ in found)


def test_architectures_on_different_engines_build_at_once(remote: Remote, tmp_path: Path) -> None:
    registry = RunningRegistry(tmp_path / "registry")
    try:
        client = RegistryClient(registry.address)
        near, far = DockerEngine(), DockerEngine(remote.url, tls=remote.certificates)
        for one in (X86, ARM):
            root = f"{registry.address}/apart/root:{one}"
            made = near.build(
                BuildJob(context(tiny_root.SHELL, **{"root.tar": tiny_root.root(one)}), root, one)
            )
            near.publish(made, root, one)

        def built(folder: str, builders: dict[Architecture, DockerEngine]) -> BuildRecord:
            (tmp_path / folder).mkdir()
            plan = apart(tmp_path / folder, registry.address)
            resources = BuildResources(client, builders, tmp_path / "logs", jobs=1)
            record = BuildExecution(plan, resources, {}).run()
            record.raise_for_failures()
            return record

        assert overlap(built("two", {X86: near, ARM: far})) > 1
        for name in ("lower", "upper"):
            found = client.index(f"apart/{name}", "t")
            assert found is not None
            assert sorted(entry.architecture for entry in found.entries) == ["amd64", "arm64"]
        # one engine that takes one image at a time does them in turn
        rows = sorted(
            built("one", {X86: near, ARM: near}).images, key=lambda row: row.started or ""
        )
        for earlier, later in itertools.pairwise(rows):
            assert earlier.started and later.started
            gap = datetime.fromisoformat(later.started) - datetime.fromisoformat(earlier.started)
            assert gap.total_seconds() > earlier.seconds - 0.1
    finally:
        registry.stop()


def test_without_certificates_it_is_refused(remote: Remote) -> None:
    with pytest.raises(EngineError, match="reached"):
        DockerEngine(remote.url)


def test_certificates_of_somebody_else_are_refused(remote: Remote, tmp_path: Path) -> None:
    other = tmp_path / "other"
    authority(other)
    certificate(other, "cert", "key.pem")
    with pytest.raises(EngineError, match="certificate"):
        DockerEngine(remote.url, tls=other)


def test_certificates_that_are_not_there(remote: Remote, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"cert\.pem") as caught:
        DockerEngine(remote.url, tls=tmp_path)
    assert caught.value.hint is not None
