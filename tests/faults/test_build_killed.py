"""A real Kolla build, killed at any moment: every index leads to whole images, always."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from builder import index
from builder.registry import RegistryClient
from tests.faults.conftest import MOMENTS, count
from tests.faults.kill import Moments, run
from tests.integration.registries import RunningRegistry

SUBJECT = "build killed"
IMAGES = ("base", "cron")

OVERLAY = "description: What a test changes.\nwhy: To have something to build.\n"


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRegistry]:
    running = RunningRegistry(tmp_path_factory.mktemp("registry"))
    yield running
    running.stop()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, registry: RunningRegistry) -> Path:
    """A configuration for both architectures, with an overlay of its own."""
    folder = tmp_path_factory.mktemp("project")
    overlay = folder / "dockerfile_overlays" / "test"
    overlay.mkdir(parents=True)
    (overlay / "overlay.yml").write_text(OVERLAY)
    (folder / "kollarm.yml").write_text(
        yaml.safe_dump(
            {
                "registry": {"address": registry.address},
                "build": {
                    "images": list(IMAGES),
                    "overlays": ["ca-certificates", "debian-archive-only", "test"],
                    "base": {"bootstrap": {"suite": "trixie"}},
                },
            }
        )
    )
    return folder


def change(project: Path, what: str) -> None:
    """Give cron something new to do."""
    template = project / "dockerfile_overlays" / "test" / "template-override.j2"
    template.write_text(f"{{% block cron_footer %}}RUN echo {what}{{% endblock %}}\n")


def test_killed_at_random_moments(
    project: Path, registry: RunningRegistry, dice: random.Random
) -> None:
    words: list[str | Path] = ["build", "--config", project / "kollarm.yml"]
    client = RegistryClient(registry.address)
    change(project, "first")
    assert run(words, {}).status == 0
    change(project, "usual")
    usual = run(words, {})
    assert usual.status == 0, usual.stderr
    moments = Moments(MOMENTS, dice, usual)
    for moment, after, number in moments:
        change(project, f"moment-{moment}")
        ended = run(words, {}, after=after, number=number)
        count(SUBJECT, moments.ended(number, ended))
        for image in IMAGES:
            found = client.index(f"kolla/{image}", "2026.1")
            assert found is not None, "an index is lost"
            index.check(client, f"kolla/{image}", "2026.1", found.digest)
        count(SUBJECT, "indices lost or wrong", 0)
        finished = run(words, {})
        assert finished.status == 0, finished.stderr
        moments.whole(finished)
        count(SUBJECT, "finished by the next run")
    # and what is told of the images was there with each of them
    verified = run(["attest", "verify", "--config", project / "kollarm.yml"], {})
    assert verified.status == 0, verified.stderr
