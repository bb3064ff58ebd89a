"""The most that is read of each kind of file: more than any guest or archive has.

What is larger was made to use up the machine that reads it, and is refused before it is read.
Amounts are in bytes where nothing else is said.
"""

from __future__ import annotations

from fnmatch import fnmatchcase

from core.errors import UnusableInput
from core.progress import size

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30

#: Files that are read from a guest, by pattern; the first that fits holds.
_FILES = (
    ("*/os-release", 64 * KIB),
    ("/etc/cloud/*", 256 * KIB),  # YAML takes ten seconds a MiB
    ("/var/lib/dpkg/status", 16 * MIB),
    ("/var/lib/dpkg/info/*", 16 * MIB),
    ("/var/lib/apt/extended_states", 16 * MIB),
    ("/lib/modules/*", 16 * MIB),  # the indices
    ("/boot/*", 4 * MIB),  # GRUB's menu, a kernel's configuration
    ("*", MIB),
)

#: All files together that are read from one guest into memory.
ALL_FILES = 256 * MIB

#: All files in one folder of settings, such as cloud.cfg.d.
SETTINGS = MIB

#: A directory itself: room for tens of thousands of names.
DIRECTORY = 4 * MIB

#: A file whose digest is compared.
COMPARED = 4 * GIB

#: Number of kernels in a guest.
KERNELS = 32

#: Number of logical volumes on a disk.
VOLUMES = 64

#: An initramfs, and all of a guest.
INITRAMFS = GIB
ALL_INITRAMFS = 2 * GIB

#: What an initramfs unpacks to, with all its segments, and the number of its files.
UNPACKED = 2 * GIB
MEMBERS = 200_000

#: What is kept in memory of an initramfs: lists and indices.
KEPT = 32 * MIB

#: A kernel module, as it is and unpacked; and the number of a kernel's modules.
MODULE = 256 * MIB
MODULES = 50_000

#: The memory that unpacking xz or lzma may need for its dictionary.
DICTIONARY = 256 * MIB

#: Number of packages in dpkg's status, and bytes of what it says of one.
PACKAGES = 200_000
PARAGRAPH = MIB

#: Files that no digest is known of: an archive's Release, SHA256SUMS, signatures.
UNKNOWN = 16 * MIB

#: A Packages index, unpacked, where Release doesn't tell.
PACKAGES_INDEX = 512 * MIB

#: A package: its control files, one file of it, and all of it; and of what tar says of one file.
CONTROL_FILES = 64 * MIB
PACKAGE_FILE = GIB
PACKAGE = 4 * GIB
TAR_HEADER = MIB

#: A disk image that is downloaded.
IMAGE = 64 * GIB


def most(path: str) -> int:
    """The most that a guest's file may have, by its path."""
    return next(limit for pattern, limit in _FILES if fnmatchcase(path, pattern))


def check(what: str, amount: int, limit: int) -> None:
    """Refuse what has more bytes than it may have.

    :param what: its name, for the message.
    :raises UnusableInput: it has more.
    """
    if amount > limit:
        raise UnusableInput(
            f"{what} has {size(amount)}; kollarm reads at most {size(limit)} of such a file",
            hint="no system has one of that size: the image may be made to use up the machine "
            "that reads it",
        )


def check_count(what: str, number: int, limit: int) -> None:
    """Refuse more things than there may be.

    :param what: the things, for the message.
    :raises UnusableInput: there are more.
    """
    if number > limit:
        raise UnusableInput(
            f"there are {number} {what}; kollarm reads at most {limit}",
            hint="no system has so many: the image may be made to use up the machine that reads it",
        )
