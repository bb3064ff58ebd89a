"""Exchanging the disk of a running appliance, so that a finished file needs no second launch.

QEMU ejects the old disk, which writes everything back and closes its file, and opens the new
file itself; the appliance's kernel sees a disk that it has never seen.  Commands:
https://www.qemu.org/docs/master/interop/qemu-qmp-ref.html.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import closing
from typing import cast

from core.errors import KollarmError
from guestprep.appliance.client import Appliance, GuestCallError
from guestprep.appliance.launch import Drive
from guestprep.qemu_monitor import Monitor

log = logging.getLogger(__name__)

#: Seconds that the virtual machine has to notice a disk that comes or goes.
PATIENCE = 60.0


def eject_disk(appliance: Appliance) -> bool:
    """Eject the guest's disk; its file is then complete and free for others.

    Nothing of it may be mounted.

    :returns: whether the appliance can do that; if not, it keeps the disk.
    """
    if not appliance.monitor.exists():
        return False
    try:
        with closing(Monitor(appliance.monitor)) as monitor:
            [device] = appliance.devices()
            for entry in _blocks(monitor):
                if entry.get("device") == "hd0":
                    monitor.execute("device_del", id=entry["qdev"])
            wait_until(lambda: all(entry.get("device") != "hd0" for entry in _blocks(monitor)))
            wait_until(lambda: device not in appliance.devices())
    except (KollarmError, KeyError, ValueError) as error:
        log.info("the appliance's disk can't be ejected: %s", error)
        return False
    return True


def insert_disk(appliance: Appliance, drive: Drive) -> bool:
    """Insert a disk, read-only, in the place of an ejected one.

    :returns: whether the appliance has it now.
    """
    try:
        with closing(Monitor(appliance.monitor)) as monitor:
            file = {"driver": "file", "filename": str(drive.path), "read-only": True}
            node = {"driver": drive.format, "node-name": "finished", "read-only": True}
            monitor.execute("blockdev-add", file=file, **node)
            monitor.execute("device_add", driver="scsi-hd", drive="finished", id="finished")
            wait_until(lambda: bool(appliance.devices()))
    except KollarmError as error:
        log.info("the appliance can't take another disk: %s", error)
        return False
    return True


def _blocks(monitor: Monitor) -> list[dict[str, object]]:
    return cast(list[dict[str, object]], monitor.execute("query-block"))


def wait_until(done: Callable[[], bool], patience: float = PATIENCE) -> None:
    """Wait until the virtual machine has noticed a disk that comes or goes.

    :param done: whether it has; a call into the guest that fails counts as no, because a disk
        that the kernel has released but udev hasn't can't be listed.
    :param patience: seconds.
    :raises KollarmError: it doesn't notice, or has ended.
    """
    limit = time.monotonic() + patience
    while True:
        failure = None
        try:
            if done():
                return
        except GuestCallError as error:
            failure = error
        if time.monotonic() > limit:
            raise failure or KollarmError(
                "the virtual machine doesn't notice the change of its disk"
            )
        time.sleep(0.2)
