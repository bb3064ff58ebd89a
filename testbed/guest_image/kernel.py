"""A kernel's files, and the division of its modules into Ubuntu's packages.

``linux-image-V`` has the kernel and ``linux-modules-V`` the modules for clouds; up to 18.04
``linux-modules-extra-V`` has the others, including the graphics drivers.
"""

from __future__ import annotations

import lzma
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import zstandard

from core.errors import KollarmError
from core.run import run

#: The modules of linux-modules: folders, or modules without their suffix.  They are few, so
#: that an initramfs with MODULES=most is small and boots fast under emulation.
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

#: The modules of linux-modules-extra, besides those that they depend on.
EXTRA = (
    "kernel/drivers/gpu/",
    "kernel/drivers/input/",
    "kernel/drivers/video/",
    "kernel/sound/core/",
)

#: Modules that must not be in linux-modules: without them the kernel has no screen.
SCREEN = "kernel/drivers/gpu/drm/"


@dataclass(frozen=True)
class ModuleSplit:
    """The module files of each package, by their names in modules.dep."""

    cloud: frozenset[str]
    extra: frozenset[str]


def parse_dependencies(text: str) -> dict[str, tuple[str, ...]]:
    """Parse modules.dep(5): the module files that each module file depends on."""
    lines = (line.partition(":") for line in text.splitlines() if line.strip())
    return {module: tuple(needed.split()) for module, _, needed in lines}


def split(
    dependencies: Mapping[str, tuple[str, ...]],
    cloud: Iterable[str] = CLOUD,
    extra: Iterable[str] = EXTRA,
) -> ModuleSplit:
    """Divide modules into those of linux-modules and the extra ones.

    A module that linux-modules has or depends on is not an extra one; a module that depends on a
    graphics driver is never in linux-modules.
    """

    def closure(module: str) -> set[str]:
        # modules.dep lists indirect dependencies too.
        return {module, *dependencies[module]}

    with_screen = {
        module
        for module in dependencies
        if any(needed.startswith(SCREEN) for needed in closure(module))
    }

    def select(patterns: Iterable[str], excluded: Collection[str] = ()) -> set[str]:
        selected: set[str] = set()
        for module in dependencies:
            if module not in excluded and any(_matches(module, pattern) for pattern in patterns):
                selected |= closure(module)
        return selected

    cloud_modules = select(cloud, with_screen)
    return ModuleSplit(frozenset(cloud_modules), frozenset(select(extra) - cloud_modules))


def _matches(module: str, pattern: str) -> bool:
    if pattern.endswith(("/", "-", "_")):
        return module.startswith(pattern)
    return module.split(".ko", 1)[0] == pattern


@dataclass(frozen=True)
class Kernel:
    """The unpacked files of a kernel's Debian package."""

    tree: Path
    release: str
    """The output of ``uname -r``."""

    @property
    def modules(self) -> Path:
        """The folder of its modules."""
        return self.tree / "usr/lib/modules" / self.release

    @staticmethod
    def unpacked(tarball: Path, tree: Path) -> Kernel:
        """Unpack the kernel from a tar of packages' files.

        :raises KollarmError: it doesn't have exactly one kernel.
        """
        tree.mkdir()
        folders = ["./boot", "./usr/lib/modules"]
        run(["tar", "-C", tree, "--no-same-owner", "-xf", tarball, *folders])
        releases = sorted(path.name.split("-", 1)[1] for path in tree.glob("boot/vmlinuz-*"))
        if len(releases) != 1:
            raise KollarmError(f"{tarball}: expected one kernel, found {releases or 'none'}")
        return Kernel(tree, releases[0])

    def dependencies(self) -> dict[str, tuple[str, ...]]:
        """The dependencies of each module, from depmod: the package has no modules.dep."""
        run(["depmod", "-b", self.tree / "usr", self.release])
        return parse_dependencies((self.modules / "modules.dep").read_text())

    def copy_modules(self, names: Iterable[str], target: Path, *, zstd: bool = False) -> None:
        """Copy modules below *target*, uncompressed or (as in Ubuntu from 24.04 on) as .zst."""
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
