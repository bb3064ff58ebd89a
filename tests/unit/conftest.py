"""Unit tests: seconds, without servers."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from core.kolla_ansible.release_files import ReleaseFiles
from tests.support import small_release

# The machines that run these are busy emulating; what counts is what is found.
settings.register_profile("kollarm", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("kollarm")


@pytest.fixture
def small(tmp_path: Path) -> ReleaseFiles:
    """A kolla-ansible release in small."""
    return small_release.write(tmp_path / "kolla-ansible")
