"""What shall become of a guest image, whatever it is like now."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from kollarm.config.model import Guest


class Part(StrEnum):
    """A part of the preparation that can be asked for alone (``--only``)."""

    PACKAGES = "packages"
    LOADING = "loading"
    INITRAMFS = "initramfs"
    GRUB = "grub"
    CLEAN = "clean"


@dataclass(frozen=True)
class Wishes:
    """The wishes for one image.

    :param consoles: values of ``console=``, in order: the last becomes /dev/console.
    :param parts: what to do of the preparation; default: everything.
    :param clean_machine_id, clean_host_keys, clean_cloud_init, clean_apt_lists: what of one
        machine's identity and state is to be removed.
    :param engine: ``offline`` or ``guest``.
    :param compression: of the result's clusters: ``zlib``, ``zstd`` or ``none``.
    """

    consoles: tuple[str, ...] = ("ttyAMA0,115200", "tty1")
    parts: tuple[Part, ...] = tuple(Part)
    clean_machine_id: bool = True
    clean_host_keys: bool = True
    clean_cloud_init: bool = True
    clean_apt_lists: bool = True
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
            engine=guest.engine,
            compression=guest.compression,
        )

    def to_data(self) -> dict[str, object]:
        return dataclasses.asdict(self)
