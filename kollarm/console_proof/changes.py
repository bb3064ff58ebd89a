"""Changes of an instance after which its console is proven again.

Each makes the machine anew: Nova may then choose its firmware, its devices or its host anew.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from core.errors import ConfigError
from kollarm.console_proof.compute import INTERVAL, Compute, InstanceFailed, explained
from kollarm.console_proof.diagnose import PlacementFacts
from kollarm.console_proof.model import Diagnosis, InstanceChange

#: States of an instance between a resize and its confirmation, and when it has settled.
_RESIZED, _RUNNING = "VERIFY_RESIZE", "ACTIVE"


def other_flavor(compute: Compute, name: str | None, flavor: Any) -> Any:
    """The flavor to resize to: the one with this name or id, or the next larger one.

    :raises ConfigError: there is none.
    """
    if name is not None:
        return compute.named_flavor(name)
    with explained():
        larger = sorted(
            (other.ram, other.vcpus, other.disk, other.name, other)
            for other in compute.connection.compute.flavors()
            if other.id != flavor.id
            and other.ram >= flavor.ram
            and other.vcpus >= flavor.vcpus
            and other.disk >= flavor.disk
        )
    if not larger:
        raise ConfigError(
            f"cloud {compute.cloud} has no flavor at least as large as {flavor.name} to resize to",
            hint="create one, or name one with --resize-to",
        )
    return larger[0][-1]


def carry_out(
    compute: Compute,
    server_id: str,
    change: InstanceChange,
    image: Any,
    flavor: Any,
    place: PlacementFacts,
    limit: float,
    note: Callable[[str], None],
) -> Any:
    """Change an instance, and wait until it runs again; return it.

    :param flavor: the one to resize to.
    :param limit: the time of :func:`time.monotonic` when waiting ends.
    :raises InstanceFailed: the cloud refuses, the instance failed, or the time is up.
    """
    nova = compute.connection.compute
    with explained():
        if change is InstanceChange.REBOOT:
            nova.reboot_server(server_id, "HARD")
        elif change is InstanceChange.REBUILD:
            nova.rebuild_server(server_id, image.id)
        else:
            nova.resize_server(server_id, flavor.id)
    server = _settled(compute, server_id, change, place, limit, note)
    if server.status == _RESIZED:
        with explained():
            nova.confirm_server_resize(server_id)
        server = _settled(compute, server_id, change, place, limit, note)
    return server


def _settled(
    compute: Compute,
    server_id: str,
    change: InstanceChange,
    place: PlacementFacts,
    limit: float,
    note: Callable[[str], None],
) -> Any:
    """The instance when nothing is being done with it any more."""
    while True:
        server = compute.server(server_id, place)
        if server.status in (_RUNNING, _RESIZED) and not server.task_state:
            return server
        note(f"{change}: {server.task_state or server.status}")
        if time.monotonic() > limit:
            raise InstanceFailed(
                Diagnosis(
                    change.stage,
                    f"the instance was still {server.status} when the time was up",
                    "use a longer --timeout if the cloud is slow; otherwise nova-compute's log on "
                    "its host has the details",
                )
            )
        time.sleep(INTERVAL)
