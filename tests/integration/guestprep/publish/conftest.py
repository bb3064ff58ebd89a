"""Image files, and a spec of its own for each test."""

from __future__ import annotations

import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from guestprep.publish import PublishSpec
from guestprep.publish.cloud import Glance
from kollarm.services.glance import EmbeddedGlance
from tests.support.publishing import SPEC
from tests.support.upload import disk


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("images")
    return {
        "first": disk(folder / "first.qcow2", 3),
        "second": disk(folder / "second.qcow2", 3),
        "large": disk(folder / "large.qcow2", 160),
    }


@pytest.fixture
def spec() -> PublishSpec:
    """A spec whose name no other test uses."""
    return replace(SPEC, name=f"guest-{uuid.uuid4().hex[:8]}")


@pytest.fixture
def api(connection: Any) -> Glance:
    return Glance(connection)


@pytest.fixture
def loopback(glance: EmbeddedGlance) -> dict[str, str]:
    """Environment variables that name the Glance which asks nobody who they are."""
    return {"OS_CLIENT_CONFIG_FILE": str(glance.clouds_yaml), "OS_CLOUD": glance.cloud}
