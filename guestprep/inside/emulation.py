"""Programs of another architecture in the appliance, through QEMU's user emulation.

The format is registered with the appliance's own kernel (binfmt_misc), never with the host's.
"""

from __future__ import annotations

import platform

from core.errors import KollarmError
from core.run import emulator
from guestprep.appliance import Appliance, GuestCallError
from guestprep.target import ARCHITECTURE

#: First bytes of an arm64 program and which bits of them count (QEMU's
#: scripts/qemu-binfmt-conf.sh), written for binfmt_misc and for printf(1).
_MAGIC = r"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00"
_MASK = r"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff"

_INTERPRETER = f"/tmp/qemu-{ARCHITECTURE}-static"

# F: the kernel opens the interpreter now, so that it works in the guest's root as well.
_REGISTER = f"""\
modprobe binfmt_misc 2>/dev/null || true
mountpoint -q /proc/sys/fs/binfmt_misc ||
    mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
echo ':kollarm-{ARCHITECTURE}:M::{_MAGIC}:{_MASK}:{_INTERPRETER}:F' \\
    >/proc/sys/fs/binfmt_misc/register
"""


def enable_emulation(appliance: Appliance, architecture: str) -> bool:
    """Make the guest's programs executable on this machine.

    :param architecture: the guest's.
    :returns: whether emulation is needed for it.
    :raises KollarmError: no emulator on this machine, or the appliance's kernel can't.
    """
    if platform.machine() == architecture:
        return False
    if architecture != ARCHITECTURE:
        raise KollarmError(
            f"programs of {architecture} can't be run on this machine",
            hint=f"use the offline engine, or prepare the image on an {architecture} machine",
        )
    static = emulator(ARCHITECTURE)
    if static is None:
        raise KollarmError(
            "no emulator for the guest's programs on this machine",
            hint="install the package qemu-user-static, or use the offline engine",
        )
    try:
        appliance.call("debug_upload", static, _INTERPRETER, 0o755)
        appliance.call("debug", "sh", [_REGISTER])
    except GuestCallError as error:
        raise KollarmError(
            "the appliance's kernel can't run programs of another architecture",
            hint="use the offline engine, or prepare the image on an arm64 machine",
            details=error.message,
        ) from error
    return True
