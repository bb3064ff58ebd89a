"""A small UEFI program for arm64 on a disk of its own: it prints a text, echoes keys, or crashes.

The file is a PE32+ image (Microsoft's PE Format), the calls are those of the UEFI specification
(2.10, 4.3 and 12.4).
"""

from __future__ import annotations

import struct
from pathlib import Path

from core.run import run

#: Where code and text are in memory, and in the file.
_CODE, _FILE = 0x1000, 0x400

#: An instruction that no processor has (``udf #0``).
CRASH = struct.pack("<I", 0)

_PRINT = struct.pack(
    "<5I",
    0xF9402020,  # ldr x0, [x1, #64]: the system table's ConOut
    0xF9400402,  # ldr x2, [x0, #8]: its OutputString
    0x10000061,  # adr x1, behind these instructions
    0xD63F0040,  # blr x2
    0x14000000,  # b to itself
)


_ECHO = struct.pack(
    "<26I",
    0xA9BE7BFD,  # stp x29, x30, [sp, #-32]!
    0xAA0103F3,  # mov x19, x1: the system table
    0xF9402260,  # ldr x0, [x19, #64]: its ConOut
    0xF9401802,  # ldr x2, [x0, #48]: its ClearScreen
    0xD63F0040,  # blr x2
    0xF9402260,  # ldr x0, [x19, #64]
    0xF9400402,  # ldr x2, [x0, #8]: its OutputString
    0x10000261,  # adr x1, behind these instructions
    0xD63F0040,  # blr x2
    0xF9401A60,  # wait: ldr x0, [x19, #48]: its ConIn
    0xF9400402,  # ldr x2, [x0, #8]: its ReadKeyStroke
    0x910043E1,  # add x1, sp, #16: the scan code and the character, 16 bits each
    0xD63F0040,  # blr x2
    0xB5FFFF80,  # cbnz x0, wait
    0x79002BFF,  # strh wzr, [sp, #20]: the end of a string
    0x794027E3,  # ldrh w3, [sp, #18]
    0x91004BE1,  # add x1, sp, #18
    0x7100207F,  # cmp w3, #8: backspace
    0x54000041,  # b.ne say
    0x100000A1,  # adr x1, erase
    0xF9402260,  # say: ldr x0, [x19, #64]
    0xF9400402,  # ldr x2, [x0, #8]
    0xD63F0040,  # blr x2
    0x17FFFFF2,  # b wait
    0x00200008,  # erase: back, a space …
    0x00000008,  # … and back again
)


def echoing(text: str) -> bytes:
    """Code that prints a text on an empty screen, and then what is typed."""
    return _ECHO + text.encode("utf-16-le") + b"\0\0"


def printing(text: str) -> bytes:
    """Code that prints a text on all consoles of the firmware, and then does nothing more."""
    return _PRINT + text.replace("\n", "\r\n").encode("utf-16-le") + b"\0\0"


def program(code: bytes) -> bytes:
    """An EFI application with this code."""
    size = -(-len(code) // 0x200) * 0x200
    memory = -(-(_CODE + size) // 0x1000) * 0x1000
    machine, executable, application = 0xAA64, 0x0022, 10
    head = b"MZ".ljust(0x3C, b"\0") + struct.pack("<I", 0x40) + b"PE\0\0"
    head += struct.pack("<HHIIIHH", machine, 1, 0, 0, 0, 0xF0, executable)
    head += struct.pack("<HBBIIIII", 0x20B, 1, 0, size, 0, 0, _CODE, _CODE)
    head += struct.pack("<QIIHHHHHHI", 0, 0x1000, 0x200, 0, 0, 0, 0, 0, 0, 0)
    head += struct.pack("<IIIHHQQQQII", memory, _FILE, 0, application, 0, 0, 0, 0, 0, 0, 16)
    head += bytes(16 * 8)
    head += struct.pack("<8sIIIIIIHHI", b".text", size, _CODE, size, _FILE, 0, 0, 0, 0, 0xE0000020)
    return head.ljust(_FILE, b"\0") + code.ljust(size, b"\0")


def disk(folder: Path, code: bytes) -> Path:
    """A disk whose ESP has the program with this code as the default boot loader."""
    loader = folder / "loader.efi"
    loader.write_bytes(program(code))
    return disk_with(folder, loader)


def disk_with(folder: Path, loader: Path) -> Path:
    """A disk whose ESP has an EFI application as the default boot loader."""
    esp, image = folder / "esp.img", folder / "disk.raw"
    for path, size in ((esp, 96 << 20), (image, 98 << 20)):
        path.touch()
        with path.open("r+b") as stream:
            stream.truncate(size)
    run(["mkfs.vfat", "-F", "32", esp])
    run(["mmd", "-i", esp, "::EFI", "::EFI/BOOT"])
    run(["mcopy", "-i", esp, loader, "::EFI/BOOT/BOOTAA64.EFI"])
    run(["sgdisk", "-n1:1M:+96M", "-t1:ef00", image])
    run(["dd", f"if={esp}", f"of={image}", "bs=1M", "seek=1", "conv=notrunc,sparse"])
    return image
