"""The fields of a qcow2 header that decide whether an image stands for itself.

The format: https://www.qemu.org/docs/master/interop/qcow2.html.  qemu-img tells the same,
but only after opening whatever other files the header names.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

MAGIC = b"QFI\xfb"

#: Bytes to read: a version 3 header and room for a backing file's name is elsewhere.
HEADER_SIZE = 104

_INCOMPATIBLE_DIRTY = 1 << 0
_INCOMPATIBLE_CORRUPT = 1 << 1
_INCOMPATIBLE_DATA_FILE = 1 << 2


@dataclass(frozen=True)
class Qcow2Header:
    """What a qcow2 file's first bytes say.

    :param virtual_size: bytes of the disk as a guest sees it.
    :param has_backing_file: the image is only the difference to another file.
    :param has_data_file: the data lies in another, raw, file.
    :param encrypted: with QEMU's own AES or LUKS.
    :param marked_corrupt: QEMU found damage in an earlier use.
    """

    version: int
    virtual_size: int
    has_backing_file: bool
    has_data_file: bool
    encrypted: bool
    marked_corrupt: bool


def parse_header(head: bytes) -> Qcow2Header | None:
    """The header in a file's first :data:`HEADER_SIZE` bytes; None when it is no (whole) one."""
    if len(head) < 72 or head[:4] != MAGIC:
        return None
    version, backing = struct.unpack(">IQ", head[4:16])
    virtual_size, crypt_method = struct.unpack(">QI", head[24:36])
    incompatible = 0
    if version >= 3:
        if len(head) < HEADER_SIZE:
            return None
        (incompatible,) = struct.unpack(">Q", head[72:80])
    return Qcow2Header(
        version=version,
        virtual_size=virtual_size,
        has_backing_file=backing != 0,
        has_data_file=bool(incompatible & _INCOMPATIBLE_DATA_FILE),
        encrypted=crypt_method != 0,
        marked_corrupt=bool(incompatible & _INCOMPATIBLE_CORRUPT),
    )
