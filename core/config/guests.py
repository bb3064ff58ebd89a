"""Guest images: the section ``guests`` of ``kollarm.yml``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, HttpUrl, StringConstraints

from core.config.base import Architecture, Section
from core.config.paths import ArchiveAddress, LocalPath, PathOrUrl
from core.config.publishing import Publishing

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
PackageName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.+-]+$")]
Timezone = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*$")]
DiskSize = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]*[MGT]$")]


class GuestSource(Section):
    """Where a guest image comes from and how it is known to be the right one."""

    path: LocalPath | None = None
    """A local image file."""
    url: HttpUrl | None = None
    """URL of an image file."""
    image: str | None = None
    """A release of the catalogue by its name (``ubuntu-24.04``, ``debian-12-generic``;
    docs/guests.md lists them), whose checksum list and keyring are known.
    """
    sha256: Sha256 | None = None
    """SHA-256 of the image file."""
    sha256sums: PathOrUrl | None = None
    """A SHA256SUMS (or SHA512SUMS) file (path or URL) with a line for the image's file name."""
    keyring: LocalPath | None = None
    """Keyring that must have signed that list; without it a list is trusted as it is, except that
    one fetched for a release of the catalogue always needs its signature.
    """
    mirror: HttpUrl | None = None
    """Where to fetch a release of the catalogue from instead of the distribution's own server."""


class AptArchive(Section):
    """An apt archive, one-line style: where, which suite and components, signed by whom."""

    uri: ArchiveAddress
    """Its address: ``http://…``, ``https://…`` or ``file:…``."""
    suite: str
    """The suite, such as ``noble-updates``."""
    components: list[str] = Field(default_factory=lambda: ["main"])
    """The components to read."""
    keyring: LocalPath
    """Keyring that must have signed it. Never optional: an unsigned archive is refused."""
    check_valid_until: bool = True
    """Refuse it past its Valid-Until; ``false`` is for snapshots, which stay as they are."""


class GuestFile(Section):
    """A file that is copied into a guest image."""

    source: LocalPath
    """The local file."""
    path: Annotated[str, StringConstraints(pattern=r"^(/[^/]+)+$")]
    """Where it goes: an absolute path in the guest."""
    mode: Annotated[str, StringConstraints(pattern=r"^0?[0-7]{3}$")] = "0644"
    """Its permissions, in octal and in quotes; it belongs to root."""


class Clean(Section):
    """Which parts of a machine's identity and state are removed from an image."""

    machine_id: bool = True
    """Empty /etc/machine-id, so that each guest makes its own."""
    host_keys: bool = True
    """Remove the SSH host keys, so that each guest makes its own."""
    cloud_init: bool = True
    """Remove what cloud-init keeps of its earlier runs."""
    apt_lists: bool = True
    """Remove downloaded package lists."""


def usual_consoles(architecture: Architecture) -> list[str]:
    """The console that Nova logs, as the kernel names it, and the screen."""
    serial = "ttyS0" if architecture is Architecture.X86_64 else "ttyAMA0"
    return [f"{serial},115200", "tty1"]


class Guest(Section):
    """One guest image: prepared, proven, published."""

    name: str
    """Its name: of the prepared file and of the image in Glance."""
    source: GuestSource
    """The image to start from."""
    architecture: Architecture = Field(default=Architecture.AARCH64, strict=False)
    """The image's architecture. Guests of x86_64 get consoles and the clean-up; their screens need
    no driver.
    """
    archives: list[AptArchive] = Field(default_factory=list)
    """Archives to take packages from; default: the distribution's own."""
    consoles: list[str] = Field(default_factory=lambda data: usual_consoles(data["architecture"]))
    """Consoles of the kernel command line; the last one becomes /dev/console. Default: the serial
    one that Nova logs (``ttyAMA0,115200``; on x86_64 ``ttyS0,115200``), and ``tty1``.
    """
    clean: Clean = Clean()
    """What is removed of one machine's identity."""
    kernel: PackageName | None = None
    """The package whose kernel the guest boots instead of its own, such as
    ``linux-image-generic-64k``; kernels that GRUB would put before it are removed.
    """
    packages: list[PackageName] = Field(default_factory=list)
    """Further packages to install, by name; what they depend on comes with them."""
    guest_agent: bool = False
    """Install the QEMU guest agent, and publish the image with hw_qemu_guest_agent, so that Nova
    gives guests a channel to it.
    """
    files: list[GuestFile] = Field(default_factory=list)
    """Files to copy into the image."""
    timezone: Timezone | None = None
    """A name of the time zone database, such as ``Europe/Berlin``; default: as the image has it."""
    size: DiskSize | None = None
    """The size of the disk, such as ``20G``; its last partition and file system grow with it."""
    engine: Literal["offline", "guest"] = "offline"
    """``offline`` composes on the host what the guest's own programs would make; ``guest`` runs
    them in the appliance, which takes far longer when the architectures differ.
    """
    compression: Literal["zlib", "zstd", "none"] = "zlib"
    """Of the result's clusters; zstd is quicker and smaller, and needs QEMU 5.1 on the hosts."""
    properties: dict[str, str] = Field(default_factory=dict)
    """Glance properties on top of the arm64 set."""
    visibility: Literal["public", "private", "shared", "community"] = "public"
    """Who may use the published image."""
    min_disk: int | None = Field(default=None, ge=0)
    """GB of disk that a flavor needs for it; default: the size of the image's disk."""
    min_ram: int = Field(default=0, ge=0)
    """MB of memory that a flavor needs for it."""
    admin_user: str | None = None
    """The user to log in as; default: the one that the image's cloud-init makes."""
    publish: Publishing = Publishing()
    """How the image is kept in a cloud."""
    boot: Literal["none", "result", "both"] = Field(
        default_factory=lambda data: (
            "result" if data["architecture"] is Architecture.AARCH64 else "none"
        )
    )
    """Which image is booted to prove the console: none, the result, or the source as well.
    Default: the result; on x86_64 none.
    """
    boot_timeout: int = Field(default=900, gt=0)
    """Seconds that a proving boot may take."""
