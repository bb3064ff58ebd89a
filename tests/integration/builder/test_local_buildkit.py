"""A container engine that builds with its own BuildKit."""

from __future__ import annotations

import stat
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import IO

import docker
import psutil
import pytest

from builder.engines.docker import DockerEngine
from builder.engines.protocol import BuildFailed, BuildJob, Cancellation, Cancelled
from core.config.model import Architecture
from tests.support import tiny_root
from tests.support.registries import packed

pytestmark = pytest.mark.integration

X86, ARM = Architecture.X86_64, Architecture.AARCH64
REFERENCE = "kollarm-test/buildkit:t"


@pytest.fixture
def engine() -> Iterator[DockerEngine]:
    yield DockerEngine(buildkit=True)
    with closing(docker.from_env()) as client:
        if client.images.list(REFERENCE):
            client.images.remove(REFERENCE, force=True)


def upon_shell(steps: str, *, shell: bool = True) -> IO[bytes]:
    """A build context of these steps, upon a root of one shell."""
    start = tiny_root.SHELL if shell else "FROM scratch\nADD root.tar /\n"
    return packed(start + steps, **{"root.tar": tiny_root.root()})


def made_by_buildkit() -> bool:
    with closing(docker.from_env()) as client:
        steps = client.images.get(REFERENCE).history()
    return any(step["Comment"].startswith("buildkit") for step in steps)


def test_an_image_is_built_and_its_steps_are_noted(engine: DockerEngine, tmp_path: Path) -> None:
    notes: list[str] = []
    log = tmp_path / "build.log"
    steps = "ARG secret\nRUN echo an output line\nLABEL made=yes\n"
    made = engine.build(
        BuildJob(
            upon_shell(steps), REFERENCE, X86, {"secret": "S3cret"}, log=log, note=notes.append
        )
    )
    assert made.architecture == "amd64"
    assert made_by_buildkit()
    assert any("RUN echo" in note for note in notes)
    assert "an output line" in log.read_text()


def test_without_buildkit_the_classic_builder_builds(engine: DockerEngine) -> None:
    DockerEngine().build(BuildJob(upon_shell("RUN true\n"), REFERENCE, X86))
    assert not made_by_buildkit()


def test_the_architecture_is_the_jobs(engine: DockerEngine) -> None:
    made = engine.build(BuildJob(upon_shell("LABEL a=b\n", shell=False), REFERENCE, ARM))
    assert made.architecture == "arm64"


def test_a_parent_in_the_engine_is_used(engine: DockerEngine) -> None:
    """One that is in no registry, as the images of a run are until they are pushed."""
    engine.build(BuildJob(upon_shell("LABEL made=parent\n"), REFERENCE, X86))
    engine.build(BuildJob(packed(f"FROM {REFERENCE}\nLABEL child=yes\n"), REFERENCE, X86))
    with closing(docker.from_env()) as client:
        assert client.images.get(REFERENCE).labels == {"made": "parent", "child": "yes"}


def test_a_step_that_fails_is_named(engine: DockerEngine, tmp_path: Path) -> None:
    log = tmp_path / "build.log"
    with pytest.raises(BuildFailed) as caught:
        engine.build(BuildJob(upon_shell("RUN echo why; exit 3\n"), REFERENCE, X86, log=log))
    assert "exit 3" in str(caught.value)
    assert "why" in (caught.value.details or "")


def test_a_cancelled_build_leaves_nothing(
    engine: DockerEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    control = Cancellation()

    def stop_when_asleep(step: str) -> None:
        if "sleep" in step:
            threading.Timer(1, control.stop).start()

    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    monkeypatch.setenv("TMPDIR", str(scratch))
    with pytest.raises(Cancelled):
        engine.build(
            BuildJob(
                upon_shell("RUN sleep 988\n"),
                REFERENCE,
                X86,
                note=stop_when_asleep,
                control=control,
            )
        )
    limit = time.monotonic() + 30
    while any("988" in (one.info["cmdline"] or []) for one in psutil.process_iter(["cmdline"])):
        assert time.monotonic() < limit
        time.sleep(0.2)
    assert list(scratch.iterdir()) == []


def test_a_step_mounts_another_image(engine: DockerEngine) -> None:
    """Also where the release is built by the classic builder."""
    engine.build(BuildJob(upon_shell("", shell=False), REFERENCE, X86))
    text = f"FROM --platform=linux/amd64 {REFERENCE} AS other\n{tiny_root.SHELL}"
    text += 'RUN --mount=type=bind,from=other,target=/m ["/bin/sh", "-c", "test -e /m/mark"]\n'
    content = packed(text, **{"root.tar": tiny_root.root()})
    made = DockerEngine().build(BuildJob(content, REFERENCE, ARM, mounts={}))
    assert made.architecture == "arm64"
    assert engine.read_files(made.id, ["m/mark"], lambda _: True) == {}


@pytest.mark.parametrize("with_buildkit", [True, False])
def test_a_log_is_private_and_has_no_password(
    engine: DockerEngine, tmp_path: Path, with_buildkit: bool
) -> None:
    log = tmp_path / "log"
    log.touch(0o644)
    job = BuildJob(
        upon_shell("ARG http_proxy\nRUN echo proxy $http_proxy; exit 3\n"),
        REFERENCE,
        X86,
        build_args={"http_proxy": "http://user:sesame@127.0.0.1:9"},
        log=log,
        use_cache=False,
    )
    with pytest.raises(BuildFailed) as caught:
        DockerEngine(buildkit=with_buildkit).build(job)
    assert caught.value.message.endswith("exit status 3")
    text = log.read_text()
    assert "proxy http" in text and "sesame" not in text
    assert "sesame" not in f"{caught.value.message}{caught.value.details}"
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_without_the_cache_steps_run_again(engine: DockerEngine) -> None:
    first = engine.build(BuildJob(upon_shell("RUN true\n"), REFERENCE, X86))
    assert engine.build(BuildJob(upon_shell("RUN true\n"), REFERENCE, X86)).id == first.id
    again = engine.build(BuildJob(upon_shell("RUN true\n"), REFERENCE, X86, use_cache=False))
    assert again.id != first.id


def test_without_a_client_the_classic_builder_builds(
    engine: DockerEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = upon_shell("RUN true\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "docker-buildx" in (engine.no_mounts() or "")
    engine.build(BuildJob(content, REFERENCE, X86))
    assert not made_by_buildkit()
