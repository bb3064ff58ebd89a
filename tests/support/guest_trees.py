"""A guest's tree on this machine, where each of its programs is emulated by itself.

Interpreters and small tools are this machine's own. What takes an hour in an appliance that is
emulated as a whole takes minutes so.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from core import debian_root
from core.config.model import Architecture
from core.run import run
from guestprep.appliance import Drive, launch_appliance
from guestprep.inspect import inspect_disk
from guestprep.inspect.layout import DiskLayout, mount_all
from guestprep.source import disk_facts
from testbed.guest_image.layouts import SUITE
from tests.support.copied_machine import AS_ROOT

#: A view of the tree as it is, for what must not see what stands in for its programs.
_VIEW = 'root=$1; export WHOLE=$2; shift 2; mount --bind "$root" "$WHOLE" && exec "$@"'

_ENTER = """
set -e
root=$1
for folder in proc sys dev; do mount --rbind "/$folder" "$root/$folder"; done
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/tmp"
. "$5"
[ ! -e "$root/usr/sbin/grub-probe" ] || mount --bind "$3" "$root/usr/sbin/grub-probe"
# systemd's tools want the ESP to be a file system of its own.
mount -t tmpfs tmpfs "$root/boot/efi"
cp -R "$4/." "$root/boot/efi"
chroot "$root" env LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive SYSTEMD_RELAX_ESP_CHECKS=1 \\
    PATH=/usr/sbin:/usr/bin:/sbin:/bin sh -ec "$2"
cp -R "$root/boot/efi/." "$4"
"""

#: Seconds that a command may take.
_LIMIT = 3600.0


@dataclass(frozen=True)
class GuestTree:
    """The tree, writable."""

    root: Path
    esp: Path
    """The files of its EFI system partition."""
    layout: DiskLayout
    """Of the disk that it was on."""
    folder: Path
    """A folder for what this needs."""
    around: tuple[str, ...]
    """The words before a command that runs its programs."""

    def run(self, command: str) -> str:
        """What a shell command prints in it."""
        probe = self.folder / "grub-probe"
        data = files("testbed.guest_image") / "data"
        text = (data / "grub-probe.sh").read_text()
        probe.write_text(text.replace("@UUID@", "0" * 36).replace("@BOOT_UUID@", ""))
        probe.chmod(0o755)
        whole = self.folder / "whole"
        whole.mkdir(exist_ok=True)
        words: list[str | Path] = ["unshare", "--mount", "--propagation", "private"]
        words += ["sh", "-c", _VIEW, "sh", self.root, whole, *self.around]
        words += ["sh", "-c", _ENTER, "sh", self.root, command, probe, self.esp]
        dracut = self.folder / "whole-dracut.sh"
        dracut.write_bytes((data / dracut.name).read_bytes())
        return run([*AS_ROOT, *words, dracut], timeout=_LIMIT).stdout

    def into(self, image: Path, *folders: str) -> None:
        """Write folders of the tree back to a disk; all of /boot, too."""
        archive = self.folder / "changed.tar"
        names = [f"./{name}" for name in ("boot", *folders)]
        pack: list[str | Path] = ["tar", "-C", self.root, "--exclude=./boot/efi", "-cf", archive]
        run([*AS_ROOT, *pack, *names])
        with launch_appliance([Drive(image, disk_facts(image).format, writable=True)]) as appliance:
            mount_all(appliance, self.layout.places, writable=True)
            appliance.tar_in(archive, "/")
            for path in sorted(self.esp.rglob("*")):
                target = f"/boot/efi/{path.relative_to(self.esp)}"
                if path.is_file() and not appliance.is_file(target):
                    appliance.call("mkdir_p", target.rpartition("/")[0])
                    appliance.call("upload", str(path), target)
            appliance.unmount_all()
            appliance.shutdown()
        archive.unlink()


@contextmanager
def unpacked(image: Path, folder: Path) -> Iterator[GuestTree]:
    """An image's tree, and its EFI system partition in it.

    :param folder: an empty folder.
    """
    archive = folder / "tree.tar"
    disk = disk_facts(image)
    work = folder / "work"
    work.mkdir()
    with launch_appliance([Drive(image, disk.format)]) as appliance:
        layout = inspect_disk(appliance, disk, work).contents.layout
        appliance.call("tar_out", "/", str(archive), xattrs=True)
    root = folder / "root"
    root.mkdir()
    run([*AS_ROOT, "tar", "-C", root, "--xattrs", "--xattrs-include=*", "-xpf", archive])
    archive.unlink()
    esp = folder / "esp"
    run([*AS_ROOT, "cp", "-R", root / "boot/efi", esp])
    scripts = folder / "scripts"
    scripts.mkdir()
    source = debian_root.RootArchive(SUITE)
    around = debian_root.stage(scripts, source, Architecture.AARCH64).around(root)
    try:
        yield GuestTree(root, esp, layout, folder, tuple(around))
    finally:
        run([*AS_ROOT, "rm", "-rf", "--one-file-system", root])
