"""The cloud images that Ubuntu and Debian publish: where, and signed by whom."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from core.config.base import Architecture
from core.errors import ConfigError
from core.suggest import nearest_or_known

_UBUNTU = "https://cloud-images.ubuntu.com/releases"
_UBUNTU_MINIMAL = "https://cloud-images.ubuntu.com/minimal/releases"
_DEBIAN = "https://cloud.debian.org/images/cloud"

#: Packages ubuntu-keyring (Debian) or ubuntu-cloudimage-keyring (Ubuntu), debian-archive-keyring.
_UBUNTU_KEYS = Path("/usr/share/keyrings/ubuntu-cloudimage-keyring.gpg")
_DEBIAN_KEYS = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


@dataclass(frozen=True)
class CatalogueImage:
    """A published image."""

    base: str
    """The distribution's server, which a mirror can replace."""
    folder: str
    """Below it."""
    file: str
    """The image in it, for arm64."""
    amd64_file: str
    """The one for amd64."""
    sums: str
    """The list of digests beside the image."""
    signatures: tuple[str, ...]
    """Names that its detached signature may have."""
    keyring: Path
    """The keys that may have signed it."""

    def file_for(self, architecture: Architecture) -> str:
        """Name of the image for an architecture."""
        return self.amd64_file if architecture is Architecture.X86_64 else self.file

    def url(self, name: str, mirror: str | None = None) -> str:
        """The address of a file beside the image."""
        return f"{(mirror or self.base).rstrip('/')}/{self.folder}/{name}"


def _ubuntu(version: str, arm64: str = "arm64", amd64: str = "amd64") -> CatalogueImage:
    start = f"ubuntu-{version}-server-cloudimg-"
    return CatalogueImage(
        base=_UBUNTU,
        folder=f"{version}/release",
        file=f"{start}{arm64}.img",
        amd64_file=f"{start}{amd64}.img",
        sums="SHA256SUMS",
        signatures=("SHA256SUMS.gpg",),
        keyring=_UBUNTU_KEYS,
    )


def _minimal(version: str, codename: str) -> CatalogueImage:
    """Ubuntu's smaller image, which has a server folder of its own."""
    start = f"ubuntu-{version}-minimal-cloudimg-"
    return replace(
        _ubuntu(version),
        base=_UBUNTU_MINIMAL,
        folder=f"{codename}/release",
        file=f"{start}arm64.img",
        amd64_file=f"{start}amd64.img",
    )


def _debian(codename: str, version: str, flavour: str) -> CatalogueImage:
    return CatalogueImage(
        base=_DEBIAN,
        folder=f"{codename}/latest",
        file=f"debian-{version}-{flavour}-arm64.qcow2",
        amd64_file=f"debian-{version}-{flavour}-amd64.qcow2",
        sums="SHA512SUMS",
        signatures=("SHA512SUMS.sign", "SHA512SUMS.gpg"),
        keyring=_DEBIAN_KEYS,
    )


CATALOGUE: dict[str, CatalogueImage] = {
    # 16.04 has two arm64 images, and the plain one can't be started through UEFI.
    "ubuntu-16.04": _ubuntu("16.04", "arm64-uefi1", "amd64-disk1"),
    **{
        f"ubuntu-{version}": _ubuntu(version)
        for version in ("18.04", "20.04", "22.04", "24.04", "25.10", "26.04")
    },
    **{
        f"ubuntu-{version}-minimal": _minimal(version, codename)
        for version, codename in (("22.04", "jammy"), ("24.04", "noble"))
    },
    **{
        f"debian-{version}-{flavour}": _debian(codename, version, flavour)
        for version, codename in (("12", "bookworm"), ("13", "trixie"))
        for flavour in ("generic", "genericcloud", "nocloud")
    },
}


def find(name: str) -> CatalogueImage:
    """The entry of a name.

    :raises ConfigError: there is none; the hint has the nearest.
    """
    if name not in CATALOGUE:
        raise ConfigError(
            f"the catalogue of guest images has no {name!r}", hint=nearest_or_known(name, CATALOGUE)
        )
    return CATALOGUE[name]
