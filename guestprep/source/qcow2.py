"""The fields of a qcow2 header that decide whether an image is complete by itself.

The format: https://www.qemu.org/docs/master/interop/qcow2.html.  qemu-img reports the same,
but only after opening whatever other files the header names.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

MAGIC = b"QFI\xfb"

#: Bytes to read: a version 3 header and room for a backing file's name is elsewhere.
HEADER_SIZE = 104

_INCOMPATIBLE_CORRUPT = 1 << 1
_INCOMPATIBLE_DATA_FILE = 1 << 2


@dataclass(frozen=True)
class Qcow2Header:
    """What a qcow2 file's first bytes say."""

    has_backing_file: bool
    """The image is only the difference to another file."""
    has_data_file: bool
    """The data lies in another, raw, file."""
    encrypted: bool
    """With QEMU's own AES or LUKS."""
    marked_corrupt: bool
    """QEMU found damage in an earlier use."""


def parse_header(head: bytes) -> Qcow2Header | None:
    """The header in a file's first :data:`HEADER_SIZE` bytes; None when it is not complete."""
    if len(head) < 72 or head[:4] != MAGIC:
        return None
    version, backing = struct.unpack(">IQ", head[4:16])
    (crypt_method,) = struct.unpack(">I", head[32:36])
    incompatible = 0
    if version >= 3:
        if len(head) < HEADER_SIZE:
            return None
        (incompatible,) = struct.unpack(">Q", head[72:80])
    return Qcow2Header(
        has_backing_file=backing != 0,
        has_data_file=bool(incompatible & _INCOMPATIBLE_DATA_FILE),
        encrypted=crypt_method != 0,
        marked_corrupt=bool(incompatible & _INCOMPATIBLE_CORRUPT),
    )
