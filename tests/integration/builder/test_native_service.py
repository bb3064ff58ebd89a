"""An OpenStack service built from source for both architectures on one machine."""

from __future__ import annotations

import subprocess

import pytest

from builder import pipeline
from builder.record import BuildRecord, State
from builder.request import BuildRequest
from core.config.model import Architecture
from tests.support import small_service
from tests.support.project import Project

pytestmark = [pytest.mark.integration, pytest.mark.slow]


@pytest.fixture(scope="module")
def service(project: Project) -> BuildRecord:
    config = small_service.config(project, *Architecture)
    record = pipeline.build(BuildRequest(config, images=["placement-api"]))
    record.raise_for_failures()
    return record


def test_both_architectures_are_joined(service: BuildRecord) -> None:
    names = ["base", "openstack-base", "placement-base", "placement-api"]
    assert sorted({row.image for row in service.images}) == sorted(names)
    assert len(service.images) == 2 * len(names)
    assert {row.state for row in service.indices} == {State.WRITTEN}


@pytest.mark.parametrize("architecture", Architecture)
def test_it_runs(architecture: Architecture, service: BuildRecord, project: Project) -> None:
    script = "uname -m; python3 -c 'import netifaces, yaml._yaml'; placement-manage --version"
    shown = subprocess.run(
        ["docker", "run", "--rm", "--pull=always", "--platform", architecture.platform,
         f"{project.registry.address}/kolla/placement-api:t", "sh", "-euc", script],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert shown.stdout.split() == [architecture, small_service.VERSION]
