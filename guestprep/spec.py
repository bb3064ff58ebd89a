"""What is requested of a guest image, whatever is in it now."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from core.cache import file_digest
from core.config.base import Architecture
from core.config.model import Guest, GuestFile
from core.errors import UnusableInput

AGENT = "qemu-guest-agent"

#: Where the guest has the time zones' data.
ZONES = "/usr/share/zoneinfo"

_UNITS = {"M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


class PreparationPart(StrEnum):
    """A part of the preparation that can be asked for alone (``--only``)."""

    PACKAGES = "packages"
    LOADING = "loading"
    INITRAMFS = "initramfs"
    GRUB = "grub"
    FILES = "files"
    SIZE = "size"
    CLEAN = "clean"


@dataclass(frozen=True)
class FileSpec:
    """A file to copy into the guest."""

    path: str
    """The file's path in the guest."""
    source: Path
    """Path of the local file."""
    mode: int
    """The file's permissions in the guest."""
    sha256: str

    @staticmethod
    def of(file: GuestFile) -> FileSpec:
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
        return FileSpec(file.path, file.source, int(file.mode, 8), digest)


@dataclass(frozen=True)
class PreparationSpec:
    """What is requested of one image."""

    architecture: Architecture = Architecture.AARCH64
    """The architecture that the image must have."""
    consoles: tuple[str, ...] = ("ttyAMA0,115200", "tty1")
    """Values of ``console=``, in order: the last becomes /dev/console."""
    parts: tuple[PreparationPart, ...] = tuple(PreparationPart)
    """The parts of the preparation to do; default: all."""
    clean_machine_id: bool = True
    """Remove the machine-id, so that each guest gets its own."""
    clean_host_keys: bool = True
    """Remove SSH host keys."""
    clean_cloud_init: bool = True
    """Remove cloud-init's state, so that it runs as on a first boot."""
    clean_apt_lists: bool = True
    """Remove apt's package lists."""
    kernel: str = ""
    """Name of the package whose kernel is booted; empty: the image's own, if it has a screen."""
    packages: tuple[str, ...] = ()
    """Names of additional packages to install."""
    files: tuple[FileSpec, ...] = ()
    """Files to copy into the guest."""
    timezone: str = ""
    """The time zone to set; empty: as the image has it."""
    size: int = 0
    """Bytes that the disk is to have; 0: as the image has it."""
    engine: str = "offline"
    """``offline`` or ``guest``."""
    compression: str = "zlib"
    """Compression of the result's clusters: ``zlib``, ``zstd`` or ``none``."""

    @staticmethod
    def of(guest: Guest, only: Iterable[PreparationPart] = ()) -> PreparationSpec:
        """What a configuration requests.

        :param only: the parts to do; none named means all.
        """
        return PreparationSpec(
            parts=tuple(sorted(set(only))) or tuple(PreparationPart),
            architecture=guest.architecture,
            consoles=tuple(guest.consoles),
            clean_machine_id=guest.clean.machine_id,
            clean_host_keys=guest.clean.host_keys,
            clean_cloud_init=guest.clean.cloud_init,
            clean_apt_lists=guest.clean.apt_lists,
            kernel=guest.kernel or "",
            packages=(*guest.packages, *((AGENT,) if guest.guest_agent else ())),
            files=tuple(FileSpec.of(file) for file in guest.files),
            timezone=guest.timezone or "",
            size=int(guest.size[:-1]) * _UNITS[guest.size[-1]] if guest.size else 0,
            engine=guest.engine,
            compression=guest.compression,
        )

    @property
    def watched(self) -> tuple[str, ...]:
        """Paths in the guest that the spec is about, to be looked at."""
        zone = (f"{ZONES}/{self.timezone}",) if self.timezone else ()
        return (*(file.path for file in self.files), *zone)

    def to_dict(self) -> dict[str, object]:
        """Plain data without the files' local paths, on which the image doesn't depend."""
        data = dataclasses.asdict(self)
        for file in data["files"]:
            del file["source"]
        return data

    @staticmethod
    def from_dict(data: Any) -> PreparationSpec:
        """What :meth:`to_dict` gave; a file's source is only known by its name in the guest.

        :raises KeyError, TypeError, ValueError: it is something else.
        """
        plain: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value
            for key, value in dict(data).items()
        }
        plain["architecture"] = Architecture(data.get("architecture", Architecture.AARCH64))
        plain["parts"] = tuple(PreparationPart(part) for part in data["parts"])
        plain["files"] = tuple(
            FileSpec(source=Path(file["path"]), **file) for file in data["files"]
        )
        return PreparationSpec(**plain)
