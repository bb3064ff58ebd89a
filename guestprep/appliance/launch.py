"""Starting the appliance: with KVM if the host has it, and without when that hangs or fails."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from core import progress, side_by_side
from guestprep.appliance import acceleration
from guestprep.appliance.client import Appliance, ApplianceError, GuestCallError
from guestprep.appliance.diagnosis import explain

log = logging.getLogger(__name__)

#: Seconds for a launch, building the appliance apart: one that may use KVM (usual: 2 to 5), and
#: one that emulates the processor (usual: 10 to 25): its first try, with two processors, and its
#: second, with one, which has to do on the slowest machines.
KVM_LIMIT = 75.0
TCG_LIMIT = 240.0
TCG_LAST_LIMIT = 1800.0


@dataclass(frozen=True)
class Drive:
    """A disk given to the appliance."""

    path: Path
    format: str
    """``qcow2`` or ``raw``; always given, as probing would let the guest's content decide."""
    writable: bool = False


@contextmanager
def launch_appliance(drives: Sequence[Drive], *, exchangeable: bool = False) -> Iterator[Appliance]:
    """A running appliance with these disks; gone when the block ends, however it ends.

    A launch with KVM that hangs or fails is repeated once without; that KVM is broken is
    remembered for this process and, for some days, for this machine.

    :param exchangeable: whether the disk can be exchanged later, if the backend supports it.
    :raises ApplianceError: it could not be started; the hint has the remedy.
    """
    appliance = _launch(drives, exchangeable)
    try:
        with side_by_side.running(appliance.end):
            yield appliance
    finally:
        appliance.kill()


def _launch(drives: Sequence[Drive], exchangeable: bool) -> Appliance:
    reporter = progress.current()
    with reporter.step("appliance") as step:
        present = acceleration.present()
        # libvirt's daemon may open what this process can't
        if not acceleration.usable() or (_backend() == "direct" and not present):
            if present:  # else there is nothing to wonder about
                step.note("emulating the processor (no usable KVM)")
            return _emulated(drives, exchangeable)
        started = time.monotonic()
        try:
            limit = acceleration.limit(KVM_LIMIT) if present else TCG_LIMIT
            return _attempt(drives, exchangeable, emulate=False, limit=limit)
        except ApplianceError as error:
            if error.hint:  # a cause was found, and it isn't KVM
                raise
            reporter.warn(
                f"the appliance didn't start with KVM ({error.message}, after "
                f"{time.monotonic() - started:.0f} s): trying again without KVM, which is slower"
            )
            log.debug("%s", error.details)
        appliance = _emulated(drives, exchangeable)
        acceleration.remember_broken()
        return appliance


def _emulated(drives: Sequence[Drive], exchangeable: bool) -> Appliance:
    """Launch without KVM.

    On a busy machine, an emulated kernel with two processors hangs now and then while it starts.
    """
    try:
        return _attempt(drives, exchangeable, emulate=True, limit=TCG_LIMIT)
    except ApplianceError as error:
        if error.hint or isinstance(error.__cause__, GuestCallError):
            raise
        progress.current().warn(f"{error.message}: trying again with one processor")
    return _attempt(drives, exchangeable, emulate=True, limit=TCG_LAST_LIMIT, processors=1)


def _backend() -> str:
    """libguestfs's way of starting the appliance."""
    return os.environ.get("LIBGUESTFS_BACKEND", "direct")


def _attempt(
    drives: Sequence[Drive],
    exchangeable: bool,
    *,
    emulate: bool,
    limit: float,
    processors: int = 2,
) -> Appliance:
    backend = _backend()
    environment = {"LIBGUESTFS_BACKEND": backend}
    if emulate:
        environment["LIBGUESTFS_BACKEND_SETTINGS"] = "force_tcg"
    appliance = Appliance(environment)
    try:
        appliance.call("set_network", False)
        # Measured under emulation: a second processor takes a tenth to a fifth off a launch.
        appliance.call("set_smp", min(processors, os.cpu_count() or 1))
        if exchangeable and backend == "direct":
            appliance.call("config", "-qmp", f"unix:{appliance.monitor},server=on,wait=off")
        for number, drive in enumerate(drives):
            appliance.call(
                "add_drive_opts",
                str(drive.path),
                format=drive.format,
                readonly=not drive.writable,
                discard="enable" if drive.writable else "disable",
                # What is written here is thrown away when the run doesn't end well.
                cachemode="unsafe" if drive.writable else "writeback",
            )
            if backend == "direct":
                # QEMU's own choice on a full disk is to pause, and so to hang the call, until
                # there is room again.
                appliance.call("config", "-set", f"drive.hd{number}.werror=report")
        with side_by_side.running(appliance.end):
            appliance.call("launch", limit=limit)
    except (ApplianceError, GuestCallError) as error:
        tail = appliance.log_tail()
        appliance.kill()
        raise explain(error.message, tail) from error
    except BaseException:
        appliance.kill()
        raise
    return appliance
