"""What Glance and Nova refuse about an image's format, after all of it was sent.

The rules are those of oslo.utils' format inspector, which both use:
https://docs.openstack.org/oslo.utils/latest/reference/imageutils.html. A file that depends on
another one is refused by :func:`guestprep.source.disk_facts` already.
"""

from __future__ import annotations

import struct

#: Bytes of an image's beginning that the rules are about.
HEAD = 512

#: The incompatible features of qcow2 that are refused: an external data file, and what isn't known
#: there. Where version 2 has no features, the former is looked for all the same.
_DATA_FILE, _KNOWN = 0b0100, 0b1111

#: The MBR's table: where it is, an entry, and the type of the entry that protects a GPT.
_TABLE, _ENTRY, _PROTECTIVE = 446, struct.Struct("<B3sB3sII"), 0xEE

#: Where that entry has to begin: in the second sector (cylinder, head and sector; number).
_SECOND = (b"\x00\x02\x00", 1)

#: A boot sector with this many tables of blocks, on a medium of this kind, is that of FAT.
_FAT = (2, 0xF8)


def fault(disk_format: str, head: bytes) -> str | None:
    """What is wrong with an image; None where nothing is.

    :param disk_format: ``qcow2`` or ``raw``.
    :param head: its first :data:`HEAD` bytes.
    """
    head = head.ljust(HEAD, b"\0")
    if disk_format == "qcow2":
        (version,) = struct.unpack_from(">I", head, 4)
        (features,) = struct.unpack_from(">Q", head, 72)
        if features & (_DATA_FILE | (~_KNOWN if version >= 3 else 0)):
            return "it has features of qcow2 that they don't know (extended L2 entries)"
        return None
    fat = (head[0x10], head[0x15]) == _FAT
    return None if fat or head[510:512] != b"\x55\xaa" else _fault_of_table(head)


def _fault_of_table(head: bytes) -> str | None:
    entries = [_ENTRY.unpack_from(head, _TABLE + number * _ENTRY.size) for number in range(4)]
    used = [number for number, (_, _, kind, *_) in enumerate(entries) if kind]
    if any(flag not in (0x00, 0x80) for flag, *_ in entries):
        return "an entry of its MBR has a boot flag that is neither 0x00 nor 0x80"
    if not used:
        return "its MBR has no partition"
    for _, start, kind, _, sector, _ in entries:
        if kind == _PROTECTIVE and (start, sector) != _SECOND:
            return "the entry of its MBR that protects the GPT doesn't begin in the second sector"
        if kind == _PROTECTIVE and used != [0]:
            return "its MBR has other partitions beside the entry that protects the GPT"
    return None
