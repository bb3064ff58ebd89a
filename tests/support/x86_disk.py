"""A whole x86_64 cloud image of Debian packages, which a BIOS and UEFI start; and starting it."""

from __future__ import annotations

import struct
import subprocess
import tempfile
import time
import uuid
from collections.abc import Sequence
from pathlib import Path

from core import debian_root
from core.config.base import Architecture
from core.run import end, run
from guestprep.boot.screen import ScreenReader
from guestprep.qemu_monitor import Monitor
from testbed.guest_image.disk import SECTOR, cloud_table, fill_esp, partition
from testbed.guest_image.layouts import SUITE
from tests.support.copied_machine import AS_ROOT

PACKAGES = (
    *("grub-efi-amd64-bin", "grub-pc-bin", "grub2-common", "initramfs-tools", "kmod"),
    *("linux-image-cloud-amd64", "login", "passwd", "systemd", "systemd-sysv", "udev"),
)

MIB = 1 << 20

#: What reads its configuration on the root's file system.
_MODULES = "part_gpt ext2 normal configfile search search_fs_uuid linux gzio echo test true"

_FILL = r"""
set -eu
tar=$1 disk=$2 work=$3 uuid=$4 offset=$5 kib=$6
root=$work/root
trap 'rm -rf --one-file-system "$root"' EXIT
mkdir "$root"
tar -C "$root" --exclude='./dev/*' --xattrs --xattrs-include='*' -xpf "$tar"
version=$(ls "$root/lib/modules")
mkdir -p "$root/boot/grub" "$root/boot/efi" "$root/etc/default/grub.d"
cat >"$root/boot/grub/grub.cfg" <<END
set timeout=0
menuentry 'Debian GNU/Linux' {
	search --no-floppy --fs-uuid --set=root $uuid
	linux	/boot/vmlinuz-$version root=UUID=$uuid ro console=tty0 console=ttyS0,115200
	initrd	/boot/initrd.img-$version
}
END
echo 'GRUB_CMDLINE_LINUX="console=tty0 console=ttyS0"' >"$root/etc/default/grub.d/10_cloud.cfg"
printf 'UUID=%s / ext4 defaults 0 1\nLABEL=UEFI /boot/efi vfat defaults,nofail 0 0\n' "$uuid" \
    >"$root/etc/fstab"
echo x86-guest >"$root/etc/hostname"
echo 0123456789abcdef0123456789abcdef >"$root/etc/machine-id"
chroot "$root" passwd -d root >/dev/null
for target in i386-pc x86_64-efi; do
    more="biosdisk"; [ $target = i386-pc ] || more="fat all_video"
    echo "search.fs_uuid $uuid root" >"$root/tmp/early.cfg"
    echo 'set prefix=($root)/boot/grub' >>"$root/tmp/early.cfg"
    echo 'configfile $prefix/grub.cfg' >>"$root/tmp/early.cfg"
    chroot "$root" grub-mkimage -O $target -c /tmp/early.cfg -p /boot/grub -o /tmp/core \
        MODULES $more
    cp "$root/tmp/core" "$work/$target"
done
cp "$root/usr/lib/grub/i386-pc/boot.img" "$work/boot.img"
rm -rf "$root/tmp/"*
mke2fs -q -t ext4 -U "$uuid" -E "offset=$offset,root_owner=0:0" -d "$root" "$disk" "${kib}k"
""".replace("MODULES", _MODULES)

#: Where GRUB for a BIOS is, before the first partition.
_CORE_AT = 34


def make(path: Path) -> Path:
    """The image, as qcow2."""
    source = debian_root.RootArchive(SUITE)
    tar = debian_root.root_tarball(source, Architecture.X86_64, PACKAGES)
    table = cloud_table(1600)
    with tempfile.TemporaryDirectory(prefix="kollarm-x86-") as name:
        work = Path(name)
        raw, identity = work / "disk.raw", str(uuid.uuid4())
        partition(raw, table)
        size = str(table.root.length // 1024)
        run(
            [*AS_ROOT, "unshare", "--mount", "sh", "-c", _FILL, "sh", tar, raw, work, identity,
             str(table.root.start), size],
            timeout=600,
        )  # fmt: skip
        fill_esp(
            raw, table.esp, "UEFI", {"EFI/BOOT/BOOTX64.EFI": (work / "x86_64-efi").read_bytes()}
        )
        _install_for_bios(raw, (work / "boot.img").read_bytes(), (work / "i386-pc").read_bytes())
        run(["qemu-img", "convert", "-O", "qcow2", "-c", raw, path])
    return path


def _install_for_bios(raw: Path, boot: bytes, core: bytes) -> None:
    """What grub-bios-setup does where core.img follows the table of partitions.

    boot.img has the first sector of core.img at 0x5c; the first sector of core.img ends in the
    place of the rest of it (grub-core/boot/i386/pc/boot.S, diskboot.S).
    """
    assert len(core) < (2048 - _CORE_AT) * SECTOR
    sector = bytearray(boot[:440])
    struct.pack_into("<Q", sector, 0x5C, _CORE_AT)
    # As for a hard disk: the number of the drive that a BIOS hands over is checked.
    sector[0x66:0x68] = b"\x90\x90"
    with raw.open("r+b") as disk:
        disk.write(sector)
        disk.seek(_CORE_AT * SECTOR)
        disk.write(core[:500] + struct.pack("<Q", _CORE_AT + 1) + core[508:])


def screen_of(image: Path, folder: Path, *options: str, until: Sequence[str], limit: float) -> str:
    """Start an image on an emulated machine as Nova's; what its screen shows in the end.

    What its serial console says is in the folder's file ``serial``.

    :param options: further ones for QEMU.
    :param until: words that end it when they are all there, on both consoles.
    """
    monitor_path, serial = folder / "monitor", folder / "serial"
    for left in (monitor_path, serial):
        left.unlink(missing_ok=True)
    process = subprocess.Popen(
        ["qemu-system-x86_64", "-nodefaults", "-machine", "q35", "-m", "512", "-snapshot",
         "-device", "virtio-vga", "-vnc", f"unix:{folder}/vnc", "-serial", f"file:{serial}",
         "-drive", f"if=virtio,format=qcow2,file={image}",
         "-qmp", f"unix:{monitor_path},server=on,wait=off", *options],
        start_new_session=True,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + limit
        reader, text = ScreenReader(), ""
        while not monitor_path.exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        monitor = Monitor(monitor_path)
        while time.monotonic() < deadline:
            consoles = text, serial.read_text(errors="replace")
            if all(word in console for word in until for console in consoles):
                break
            time.sleep(2)
            monitor.screenshot(folder / "screen.png")
            text = reader.read(folder / "screen.png")
        return text
    finally:
        end(process, grace=5.0)
