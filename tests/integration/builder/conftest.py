"""A project whose images a module's tests build."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from builder.record import BuildRecord
from tests.support.emulated_image import InEmulation, emulation, foreign
from tests.support.project import Project, new_project


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    made = new_project(tmp_path_factory.mktemp("project"))
    yield made
    made.registry.stop()


@pytest.fixture(scope="module")
def built(project: Project) -> BuildRecord:
    record = project.build(project.config(), "base", "cron")
    record.raise_for_failures()
    return record


@pytest.fixture(scope="session")
def in_emulation(tmp_path_factory: pytest.TempPathFactory) -> InEmulation:
    return emulation(tmp_path_factory.mktemp("native"), foreign())
