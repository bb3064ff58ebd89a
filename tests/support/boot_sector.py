"""Boot sectors with a table of partitions of the MBR kind, or that of a GPT."""

from __future__ import annotations

import struct

_ENTRY = struct.Struct("<B3sB3sII")


def entry(kind: int = 0x83, *, flag: int = 0, start: bytes = bytes(3), sector: int = 2048) -> bytes:
    """One entry: a Linux partition."""
    return _ENTRY.pack(flag, start, kind, bytes(3), sector, 4096)


#: The entry that protects a GPT (UEFI 2.10, 5.2.3).
PROTECTIVE = entry(0xEE, start=b"\x00\x02\x00", sector=1)


def boot_sector(*entries: bytes) -> bytes:
    """A disk's first sector."""
    return bytes(446) + b"".join(entries).ljust(64, b"\0") + b"\x55\xaa"
