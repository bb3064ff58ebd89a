"""A guest that is up in seconds: Debian's kernel, an initramfs with BusyBox, and nothing else.

For tests of what stands around a guest (Nova, its consoles, compute hosts that emulate an
emulated machine), where minutes of systemd's boot would show nothing.  It can't be prepared,
since it has no root file system.
"""

from __future__ import annotations

import lzma
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from core import cache, debian_root
from core.config.model import Architecture
from core.run import run
from guestprep.parse.cpio import Member, write_archive
from guestprep.parse.modules import module_name
from testbed.guest_image import disk
from testbed.guest_image.kernel import Kernel
from testbed.guest_image.layouts import SUITE

#: Increase it when what is made of the same packages changes.
RECIPE = 2
PACKAGES = ("linux-image-arm64", "busybox-static", "grub-efi-arm64-bin")
#: What the machine that Nova makes needs for a screen and a keyboard; their bus is in the kernel.
MODULES = ("virtio_gpu", "xhci-pci", "usbhid", "hid-generic")
#: Looks for /boot/grub/grub.cfg beside /.disk/info, as on Debian's installation discs.
_GRUB = "usr/lib/grub/arm64-efi/monolithic/gcdaa64.efi"

_FOLDERS = ("bin", "dev", "etc", "proc", "root", "sbin", "sys", "tmp", "usr/bin", "usr/sbin")

_GRUB_CONFIG = """\
linux /vmlinuz console=ttyAMA0 console=tty1 quiet
initrd /initrd
boot
"""
_INITTAB = """\
::sysinit:/etc/start
tty1::respawn:/sbin/getty 38400 tty1
ttyAMA0::respawn:/sbin/getty -L 115200 ttyAMA0
::ctrlaltdel:/sbin/reboot -f
"""
_START = """\
#!/bin/busybox sh
/bin/busybox --install -s
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
hostname small
for module in {modules}; do modprobe "$module"; done
"""


def make(*, mirror: str = debian_root.DEFAULT_MIRROR) -> Path:
    """The guest's qcow2 image, from the cache or made of Debian's current packages.

    :raises KollarmError: the archive can't be reached, or a tool is missing.
    """
    source = debian_root.RootArchive(SUITE, mirror)
    tarball = debian_root.extracted_tarball(source, Architecture.AARCH64, PACKAGES)

    def fill(folder: Path) -> None:
        with tempfile.TemporaryDirectory(prefix="kollarm-small-", dir=folder) as scratch:
            _make(folder / "small.qcow2", Path(scratch), tarball)

    key = cache.digest({"packages": tarball.parent.name, "recipe": RECIPE})
    return cache.entry("guest-image", f"small-{key}", fill) / "small.qcow2"


def _make(image: Path, scratch: Path, tarball: Path) -> None:
    kernel = Kernel.unpacked(tarball, scratch / "kernel")
    files = scratch / "files"
    files.mkdir()
    run(["tar", "-C", files, "--no-same-owner", "-xf", tarball, f"./{_GRUB}", "./usr/bin/busybox"])
    table = disk.cloud_table(102)
    raw = scratch / "small.raw"
    disk.partition(raw, table)
    disk.fill_esp(
        raw,
        table.esp,
        "SMALL",
        {
            "EFI/BOOT/BOOTAA64.EFI": (files / _GRUB).read_bytes(),
            ".disk/info": b"small\n",
            "boot/grub/grub.cfg": _GRUB_CONFIG.encode(),
            "vmlinuz": (kernel.tree / f"boot/vmlinuz-{kernel.release}").read_bytes(),
            "initrd": _initramfs(kernel, files / "usr/bin/busybox", scratch / "root"),
        },
    )
    run(["qemu-img", "convert", "-c", "-O", "qcow2", raw, image])


def _initramfs(kernel: Kernel, busybox: Path, root: Path) -> bytes:
    """A compressed initramfs whose init is BusyBox's, laid out below *root*."""
    for folder in _FOLDERS:
        (root / folder).mkdir(parents=True)
    shutil.copy(busybox, root / "bin/busybox")
    (root / "init").symlink_to("bin/busybox")
    (root / "etc/inittab").write_text(_INITTAB)
    (root / "etc/start").write_text(_START.format(modules=" ".join(MODULES)))
    (root / "etc/start").chmod(0o755)
    needs = kernel.dependencies()
    wanted_names = set(map(module_name, MODULES))
    named = {path for path in needs if module_name(path) in wanted_names}
    wanted = sorted(named.union(*(needs[name] for name in named)))
    kernel.copy_modules(wanted, root)
    lines = (f"{one}: {' '.join(needs[one])}\n" for one in wanted)
    modules = root / "lib/modules" / kernel.release
    (modules / "modules.dep").write_text("".join(lines).replace(".ko.xz", ".ko"))
    return lzma.compress(write_archive(_members(root)), lzma.FORMAT_XZ, check=lzma.CHECK_CRC32)


def _members(root: Path) -> Iterator[Member]:
    for path in sorted(root.rglob("*")):
        if path.is_symlink():
            data = os.fsencode(path.readlink())
        else:
            data = path.read_bytes() if path.is_file() else b""
        yield Member(str(path.relative_to(root)), path.lstat().st_mode, len(data), data)
