"""The container image, built by the real engine, does what the command does elsewhere."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import pytest

from core.debian_root import RootArchive, host_architecture, root_tarball
from core.version import __version__
from tests.support import guest_disks
from tests.support.packaging import source

# Most of it is dpkg; on a machine that does something else as well it takes a quarter of an hour.
pytestmark = [pytest.mark.integration, pytest.mark.full, pytest.mark.timeout(5400)]

SOCKET = "/var/run/docker.sock"

Kollarm = Callable[..., str]


@pytest.fixture(scope="module")
def image(engine: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The image's name; its base is made here instead of pulled."""
    architecture = host_architecture()
    assert architecture is not None
    tag = uuid.uuid4().hex
    base, name = f"kollarm-test-base:{tag}", f"kollarm-test:{tag}"
    package = f"kollarm-test-package:{tag}"  # named, so that it can be removed
    root = root_tarball(RootArchive("trixie"), architecture)
    subprocess.run(["docker", "import", root, base], check=True, capture_output=True)
    checkout = source(tmp_path_factory.mktemp("container") / "kollarm")
    file = f"{checkout}/Containerfile"
    build = ["docker", "build", "-q", "--build-arg", f"BASE={base}", "-f", file]
    try:
        for options in (["-t", package, "--target", "package"], ["-t", name]):
            subprocess.run([*build, *options, str(checkout)], check=True, timeout=5000)
        yield name
    finally:
        for one in (name, package, base):
            subprocess.run(["docker", "rmi", "-f", one], check=False, capture_output=True)


@pytest.fixture
def kollarm(image: str, tmp_path: Path) -> Kollarm:
    """Run a command as docs/install.md says; what it printed."""
    options = ["--network", "host", "-v", f"{SOCKET}:{SOCKET}", "-v", f"{tmp_path}:{tmp_path}"]
    # where these variables name an authority of this site, the container needs it as well
    named = {name: os.environ[name] for name in ("PIP_CERT", "SSL_CERT_FILE") if name in os.environ}
    for name, bundle in named.items():
        options += ["-e", f"{name}={bundle}"]
    for bundle in set(named.values()):
        options += ["-v", f"{bundle}:{bundle}:ro"]

    def run(*words: str, status: int | None = 0) -> str:
        done = subprocess.run(
            ["docker", "run", "--rm", *options, "-w", tmp_path, image, *words],
            capture_output=True, text=True, check=False, timeout=1200,
        )  # fmt: skip
        assert status is None or done.returncode == status, done.stderr
        return done.stdout

    return run


def test_it_has_the_overlays_and_checks_them(kollarm: Kollarm) -> None:
    assert f"version {__version__}" in kollarm("--version")
    assert "ca-certificates:" in kollarm("overlays", "list")
    assert "no overlays" not in kollarm("lint")


def test_it_uses_the_engine(kollarm: Kollarm) -> None:
    kollarm("init")
    assert "base" in kollarm("build", "--dry-run")


def test_its_doctor_sees_what_the_machine_outside_has(kollarm: Kollarm) -> None:
    kollarm("init")
    # a full disk, and nothing else, may be a problem of this machine's
    told = json.loads(kollarm("doctor", "--json", status=None))
    problems = {one["subject"] for one in told["findings"] if one["level"] == "missing"}
    assert problems <= {"disk space"}
    texts = {one["subject"]: one["text"] for one in told["findings"]}
    other = {"x86_64": "aarch64", "aarch64": "x86_64"}[platform.machine()]
    assert "machine outside" in texts[f"{other} programs"]
    assert "no /dev/kvm" in texts["KVM"]


def test_it_prepares_a_guest(kollarm: Kollarm, tmp_path: Path) -> None:
    prepared = guest_disks.project(tmp_path)
    kollarm("guest", "prepare")
    assert prepared.is_file()
