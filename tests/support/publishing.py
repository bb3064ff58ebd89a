"""What several of these tests ask of Glance."""

from __future__ import annotations

import time
from collections.abc import Callable

from guestprep.publish import PublishSpec
from guestprep.publish.cloud import Glance
from guestprep.publish.model import OWNER_MARK, RemoteImage

#: Instead of the real ones, which give a server longer to come back.
PAUSES = (0.5, 1.0)

SPEC = PublishSpec("", os_distro="ubuntu", os_version="18.04", os_admin_user="ubuntu")


def all_of(api: Glance, spec: PublishSpec) -> list[RemoteImage]:
    return api.find(**{OWNER_MARK: spec.name})


def eventually(condition: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it didn't come about"
        time.sleep(0.05)
