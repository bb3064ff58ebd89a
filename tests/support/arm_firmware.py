"""Firmware of a few instructions for QEMU's ``virt`` machine: it prints a text."""

from __future__ import annotations

import struct
from enum import Enum
from pathlib import Path

from guestprep.boot.machine import FLASH_SIZE, Firmware

#: Where the text begins in the flash, which is at address 0.
_TEXT = 0x40

#: The console's data register is at 0x0900_0000 (PL011, QEMU's hw/arm/virt.c).
_PRINT = (
    0xD2A12000,  # movz x0, #0x0900, lsl #16
    0x100001E1,  # adr x1, _TEXT
    0x38401422,  # ldrb w2, [x1], #1
    0x34000062,  # cbz w2, behind the loop
    0x39000002,  # strb w2, [x0]
    0x17FFFFFD,  # b to the ldrb
)


class Then(Enum):
    """What the firmware does after its text."""

    STOP = (0x14000000,)  # b to itself
    REPEAT = (0x17FFFFFB,)  # b to the adr
    TURN_OFF = (
        0x52B08000,  # movz w0, #0x8400, lsl #16
        0x72800100,  # movk w0, #8: SYSTEM_OFF (Arm's PSCI, DEN0022)
        0xD4000002,  # hvc #0
        0x14000000,
    )


def printing(folder: Path, text: str, then: Then = Then.STOP) -> Firmware:
    """Firmware that prints a text on the serial console; nothing is ever on the screen."""
    code = struct.pack(f"<{len(_PRINT + then.value)}I", *_PRINT, *then.value)
    content = code.ljust(_TEXT, b"\0") + text.encode() + b"\0"
    firmware = Firmware(folder / "code.fd", folder / "variables.fd")
    for path, data in ((firmware.code, content), (firmware.variables, b"")):
        path.write_bytes(data)
        with path.open("r+b") as stream:
            stream.truncate(FLASH_SIZE)
    return firmware
