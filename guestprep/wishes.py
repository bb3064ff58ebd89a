"""What shall become of a guest image, whatever it is like now."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from kollarm.cache import file_digest
from kollarm.config.model import Guest, GuestFile
from kollarm.errors import UnusableInput

AGENT = "qemu-guest-agent"

#: Where the guest has the time zones' data.
ZONES = "/usr/share/zoneinfo"

_UNITS = {"M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


class Part(StrEnum):
    """A part of the preparation that can be asked for alone (``--only``)."""

    PACKAGES = "packages"
    LOADING = "loading"
    INITRAMFS = "initramfs"
    GRUB = "grub"
    FILES = "files"
    SIZE = "size"
    CLEAN = "clean"


@dataclass(frozen=True)
class WishedFile:
    """A file to copy into the guest.

    :param path: in the guest, :param source: the local file, :param mode: its permissions.
    """

    path: str
    source: Path
    mode: int
    sha256: str

    @staticmethod
    def of(file: GuestFile) -> WishedFile:
        """A file of the configuration.

        :raises UnusableInput: it can't be read.
        """
        try:
            digest = file_digest(file.source)
        except OSError as error:
            raise UnusableInput(
                f"{file.source} can't be copied into the image: {error.strerror}",
                hint="check the guest's files: in the configuration",
            ) from error
        return WishedFile(file.path, file.source, int(file.mode, 8), digest)


@dataclass(frozen=True)
class Wishes:
    """The wishes for one image.

    :param consoles: values of ``console=``, in order: the last becomes /dev/console.
    :param parts: what to do of the preparation; default: everything.
    :param clean_machine_id, clean_host_keys, clean_cloud_init, clean_apt_lists: what of one
        machine's identity and state is to be removed.
    :param packages: names of further packages to install.
    :param files: to copy in, :param timezone: to set; empty: as the image has it.
    :param size: bytes of the disk; 0: as the image has it.
    :param engine: ``offline`` or ``guest``.
    :param compression: of the result's clusters: ``zlib``, ``zstd`` or ``none``.
    """

    consoles: tuple[str, ...] = ("ttyAMA0,115200", "tty1")
    parts: tuple[Part, ...] = tuple(Part)
    clean_machine_id: bool = True
    clean_host_keys: bool = True
    clean_cloud_init: bool = True
    clean_apt_lists: bool = True
    packages: tuple[str, ...] = ()
    files: tuple[WishedFile, ...] = ()
    timezone: str = ""
    size: int = 0
    engine: str = "offline"
    compression: str = "zlib"

    @staticmethod
    def of(guest: Guest, only: Iterable[Part] = ()) -> Wishes:
        """The wishes of a configuration.

        :param only: the parts to do; none named means all.
        """
        return Wishes(
            parts=tuple(sorted(set(only))) or tuple(Part),
            consoles=tuple(guest.consoles),
            clean_machine_id=guest.clean.machine_id,
            clean_host_keys=guest.clean.host_keys,
            clean_cloud_init=guest.clean.cloud_init,
            clean_apt_lists=guest.clean.apt_lists,
            packages=(*guest.packages, *((AGENT,) if guest.guest_agent else ())),
            files=tuple(WishedFile.of(file) for file in guest.files),
            timezone=guest.timezone or "",
            size=int(guest.size[:-1]) * _UNITS[guest.size[-1]] if guest.size else 0,
            engine=guest.engine,
            compression=guest.compression,
        )

    @property
    def watched(self) -> tuple[str, ...]:
        """Paths in the guest that the wishes are about, to be looked at."""
        zone = (f"{ZONES}/{self.timezone}",) if self.timezone else ()
        return (*(file.path for file in self.files), *zone)

    def to_data(self) -> dict[str, object]:
        """Plain data; where a file was copied from makes no other image."""
        data = dataclasses.asdict(self)
        for file in data["files"]:
            del file["source"]
        return data

    @staticmethod
    def from_data(data: Any) -> Wishes:
        """What :meth:`to_data` gave; a file's source is only known by its name in the guest.

        :raises KeyError, TypeError, ValueError: it is something else.
        """
        plain: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value
            for key, value in dict(data).items()
        }
        plain["parts"] = tuple(Part(part) for part in data["parts"])
        plain["files"] = tuple(
            WishedFile(source=Path(file["path"]), **file) for file in data["files"]
        )
        return Wishes(**plain)
