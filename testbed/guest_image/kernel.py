"""A kernel's files, and which of its modules Ubuntu has in which of its packages.

``linux-image-V`` has the kernel, ``linux-modules-V`` the modules a cloud needs, and up to
18.04 ``linux-modules-extra-V`` the others, among them the graphics drivers.
"""

from __future__ import annotations

import lzma
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import zstandard

from core.errors import KollarmError
from core.run import run

#: What the cloud's modules package has: folders, or modules without their suffix.  Few
#: enough that an initramfs with "most" modules is small and boots fast under emulation.
CLOUD = (
    "kernel/arch/",
    "kernel/crypto/",
    "kernel/drivers/ata/",
    "kernel/drivers/block/",
    "kernel/drivers/cdrom/",
    "kernel/drivers/char/hw_random/virtio-rng",
    "kernel/drivers/char/virtio_console",
    "kernel/drivers/firmware/qemu_fw_cfg",
    "kernel/drivers/hid/hid",
    "kernel/drivers/hid/hid-generic",
    "kernel/drivers/hid/usbhid/",
    "kernel/drivers/input/evdev",
    "kernel/drivers/md/dm-",
    "kernel/drivers/net/dummy",
    "kernel/drivers/net/tun",
    "kernel/drivers/net/veth",
    "kernel/drivers/net/virtio_net",
    "kernel/drivers/nvme/host/",
    "kernel/drivers/scsi/scsi_",
    "kernel/drivers/scsi/sd_mod",
    "kernel/drivers/scsi/sg",
    "kernel/drivers/scsi/sr_mod",
    "kernel/drivers/scsi/virtio_scsi",
    "kernel/drivers/usb/core/",
    "kernel/drivers/usb/host/xhci-",
    "kernel/drivers/virtio/",
    "kernel/fs/",
    "kernel/lib/",
    "kernel/net/8021q/",
    "kernel/net/bridge/bridge",
    "kernel/net/netfilter/",
    "kernel/net/packet/",
    "kernel/security/",
)

#: What the extra package has, besides what these need.
EXTRA = (
    "kernel/drivers/gpu/",
    "kernel/drivers/input/",
    "kernel/drivers/video/",
    "kernel/sound/core/",
)

#: What must not be in the cloud's modules: without it the kernel has no screen.
SCREEN = "kernel/drivers/gpu/drm/"


@dataclass(frozen=True)
class Split:
    """Module files (below the modules folder, as modules.dep names them) by package."""

    cloud: frozenset[str]
    extra: frozenset[str]


def parse_dependencies(text: str) -> dict[str, tuple[str, ...]]:
    """modules.dep(5): for each module file, those it needs."""
    lines = (line.partition(":") for line in text.splitlines() if line.strip())
    return {module: tuple(needed.split()) for module, _, needed in lines}


def split(
    dependencies: Mapping[str, tuple[str, ...]],
    cloud: Iterable[str] = CLOUD,
    extra: Iterable[str] = EXTRA,
) -> Split:
    """Divide modules into those of the cloud's package and the extra ones.

    A module that the cloud's package has or needs is not in the extra package;
    one that would drag a graphics driver into the cloud's package is in the other.
    """

    def closure(module: str) -> set[str]:
        # depmod writes all a module needs, not only what it needs directly.
        return {module, *dependencies[module]}

    def chosen(wanted: Iterable[str]) -> set[str]:
        found: set[str] = set()
        for module in dependencies:
            if any(_matches(module, pattern) for pattern in wanted):
                found |= closure(module)
        return found

    with_screen = {
        module
        for module in dependencies
        if any(needed.startswith(SCREEN) for needed in closure(module))
    }
    cloud_modules: set[str] = set()
    for module in dependencies:
        if module not in with_screen and any(_matches(module, pattern) for pattern in cloud):
            cloud_modules |= closure(module)
    return Split(frozenset(cloud_modules), frozenset(chosen(extra) - cloud_modules))


def _matches(module: str, pattern: str) -> bool:
    if pattern.endswith(("/", "-", "_")):
        return module.startswith(pattern)
    return module.split(".ko", 1)[0] == pattern


@dataclass(frozen=True)
class Kernel:
    """A kernel's files as its Debian package has them, unpacked."""

    tree: Path
    release: str
    """What ``uname -r`` prints under it."""

    @property
    def modules(self) -> Path:
        """The folder of its modules."""
        return self.tree / "usr/lib/modules" / self.release

    @staticmethod
    def unpacked(tarball: Path, tree: Path) -> Kernel:
        """Unpack the kernel out of a tar of packages' files.

        :raises KollarmError: there isn't exactly one kernel in it.
        """
        tree.mkdir()
        wanted = ["./boot", "./usr/lib/modules"]
        run(["tar", "-C", tree, "--no-same-owner", "-xf", tarball, *wanted])
        releases = sorted(path.name.split("-", 1)[1] for path in tree.glob("boot/vmlinuz-*"))
        if len(releases) != 1:
            raise KollarmError(f"{tarball}: expected one kernel, found {releases or 'none'}")
        return Kernel(tree, releases[0])

    def dependencies(self) -> dict[str, tuple[str, ...]]:
        """What each module needs (written by the host's depmod: the package has none)."""
        run(["depmod", "-b", self.tree / "usr", self.release])
        return parse_dependencies((self.modules / "modules.dep").read_text())

    def copy_modules(self, names: Iterable[str], target: Path, *, zstd: bool = False) -> None:
        """Copy modules below *target*, uncompressed or compressed as Ubuntu has them from 24.04."""
        for name in names:
            source = self.modules / name
            place = target / "lib/modules" / self.release / name.removesuffix(".xz")
            place.parent.mkdir(parents=True, exist_ok=True)
            content = source.read_bytes()
            if source.suffix == ".xz":
                content = lzma.decompress(content)
            if zstd:
                place = place.with_name(f"{place.name}.zst")
                content = zstandard.compress(content, 3)
            place.write_bytes(content)
