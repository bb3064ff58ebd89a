"""A real Kolla build, killed at any moment: every index names whole images, always."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from builder import index
from core.config.model import Architecture
from core.oci.registry import RegistryClient
from tests.faults.counts import MOMENTS, count
from tests.support import cron_images
from tests.support.kill import Moments, run
from tests.support.registries import RunningRegistry

SUBJECT = "build killed"


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRegistry]:
    running = RunningRegistry(tmp_path_factory.mktemp("registry"))
    yield running
    running.stop()


def test_killed_at_random_moments(
    registry: RunningRegistry, dice: random.Random, tmp_path: Path
) -> None:
    config = cron_images.write(tmp_path, registry.address, Architecture)
    words: list[str | Path] = ["build", "--config", config]
    client = RegistryClient(registry.address)
    cron_images.step(tmp_path, "echo first")
    assert run(words, {}).status == 0
    cron_images.step(tmp_path, "echo usual")
    usual = run(words, {})
    assert usual.status == 0, usual.stderr
    moments = Moments(MOMENTS, dice, usual)
    for moment, after, number in moments:
        cron_images.step(tmp_path, f"echo moment-{moment}")
        ended = run(words, {}, after=after, number=number)
        count(SUBJECT, moments.ended(number, ended))
        for image in cron_images.IMAGES:
            found = client.index(f"kolla/{image}", "2026.1")
            assert found is not None, "an index is lost"
            index.check(client, f"kolla/{image}", "2026.1", found.digest)
            count(SUBJECT, "indices read back whole")
        finished = run(words, {})
        assert finished.status == 0, finished.stderr
        moments.whole(finished)
        count(SUBJECT, "finished by the next run")
    # each of them was attested too
    verified = run(["attest", "verify", "--config", config], {})
    assert verified.status == 0, verified.stderr
