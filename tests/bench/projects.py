"""Projects whose builds are measured: a configuration and a registry of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from builder import pipeline
from builder.request import BuildRequest
from core.config.load import load
from core.oci.registry import RegistryClient
from tests.support.registries import RunningRegistry
from tests.support.stocked import stock

ROUNDS = 5
KOLLARM = [sys.executable, "-m", "kollarm.cli.main"]

CLOUD = """\
release: "{release}"
registry: {{address: "{address}"}}
build:
  distro: debian
  tag: t
  overlays: [{overlays}]
  base: {{bootstrap: {{suite: trixie}}}}
  {images}
"""
PROFILES = """profiles:
    x86_64: [control, network, compute]
    aarch64: [control, network, compute]"""
CLOUD_PROFILES = """profiles:
    x86_64: [control, network, compute]
    aarch64: [compute]"""
THREE = """images: [base, cron, memcached]
  engines: {x86_64: {url: local}}"""


def seconds(argv: Sequence[str | Path], **environ: str) -> float:
    """Wall-clock time of a command that succeeds."""
    began = time.monotonic()
    done = subprocess.run(
        argv, capture_output=True, text=True, env=dict(os.environ) | environ, check=False
    )
    took = time.monotonic() - began
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return took


@contextmanager
def project(
    folder: Path,
    images: str,
    overlays: Sequence[str] = ("debian-archive-only",),
    release: str = "2026.1",
) -> Iterator[tuple[Path, RegistryClient]]:
    """A configuration file with an empty registry of its own."""
    registry = RunningRegistry(folder / "registry")
    try:
        path = folder / "kollarm.yml"
        words = {
            "release": release,
            "address": registry.address,
            "images": images,
            "overlays": ", ".join(overlays),
        }
        path.write_text(CLOUD.format_map(words))
        yield path, RegistryClient(registry.address)
    finally:
        registry.stop()


def complete(path: Path, client: RegistryClient) -> int:
    """Fill the registry with all that a configuration wants; how many images that is."""
    ready = pipeline.prepare(BuildRequest(load(path)))
    targets = [step.target for step in ready.plan.images]
    stock(client, ((t.repository, t.tag, t.architecture, t.key) for t in targets))
    seconds([*KOLLARM, "build", "--config", path])  # the indices
    return len(targets)
