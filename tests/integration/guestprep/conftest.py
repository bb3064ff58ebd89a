"""What the tests of preparations share."""

from __future__ import annotations

import pytest

from tests.support import guest_disks
from tests.support.disks import Disks


@pytest.fixture(scope="session")
def disks(tmp_path_factory: pytest.TempPathFactory) -> Disks:
    folder = tmp_path_factory.mktemp("guestprep")
    source = guest_disks.make(folder / "source.qcow2", folder / "source")
    return Disks(source, guest_disks.archive(folder / "archive"), folder)
