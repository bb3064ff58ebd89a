"""Disks that can't be prepared are refused, and nothing is written."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from core.cache import file_digest
from core.errors import UnusableInput
from core.run import run
from guestprep import pipeline
from guestprep.appliance import Appliance, Drive, launch_appliance
from guestprep.inspect import inspect_image
from tests.support import guest_disks, volume_disks
from tests.support.disks import Disks

pytestmark = pytest.mark.integration


#: A menu that starts what its environment says: here the second entry's first, for repairs.
SAVED = 'load_env\nset default="${saved_entry}"\n' + guest_disks.MENU.format(
    version=guest_disks.VERSION, words="ro"
)


@pytest.mark.parametrize(
    ("name", "recipe", "messages"),
    [
        (
            "grub-repairs",
            guest_disks.Recipe(
                extra={"boot/grub/grub.cfg": SAVED, "boot/grub/grubenv": "saved_entry=1>0\n"}
            ),
            ("an entry for repairs",),
        ),
        (
            "foreign",
            guest_disks.Recipe(loader=False, os_release="ID=gentoo\nPRETTY_NAME=Gentoo\n"),
            ("EFI system partition", "Gentoo"),
        ),
        (
            "full",
            guest_disks.Recipe(extra={"filling": b"x" * (46 << 20)}),
            ("not enough free space on the image's /",),
        ),
    ],
)
def test_refused_with_nothing_written(
    disks: Disks, name: str, recipe: guest_disks.Recipe, messages: tuple[str, ...]
) -> None:
    source = disks.disk(name, recipe)
    before = file_digest(source)
    output = disks.folder / "results" / f"{name}.qcow2"
    with pytest.raises(UnusableInput) as caught:
        pipeline.prepare(disks.guest(source), output)
    for message in messages:
        assert message in f"{caught.value.message}\n{caught.value.details}"
    assert file_digest(source) == before
    assert not list(output.parent.glob(f"*{name}*"))
    assert not list(output.parent.glob(f".*{name}*"))


def changed(disks: Disks, name: str, change: Callable[[Appliance], None]) -> Path:
    """A disk with the driver, after a change to its mounted root."""
    path = disks.disk(name, guest_disks.Recipe(graphics=True))
    with launch_appliance([Drive(path, "qcow2", writable=True)]) as appliance:
        appliance.mount("/dev/sda1", writable=True)
        change(appliance)
        appliance.unmount_all()
    return path


def use_up_inodes(appliance: Appliance) -> None:
    appliance.call("mkdir", "/filling")
    appliance.call("fill_dir", "/filling", appliance.call("statvfs", "/")["favail"] - 4)


def make_immutable(appliance: Appliance) -> None:
    appliance.call("set_e2attrs", "/etc/modules-load.d", "i")


@pytest.mark.parametrize(
    ("change", "word"), [(use_up_inodes, "inodes"), (make_immutable, "immutable")]
)
def test_a_root_that_takes_no_new_file(
    disks: Disks, change: Callable[[Appliance], None], word: str
) -> None:
    source = changed(disks, word, change)
    with pytest.raises(UnusableInput) as caught:
        pipeline.prepare(disks.guest(source), disks.folder / "results" / f"{word}.qcow2")
    assert word in f"{caught.value.message} {caught.value.hint}"


def test_an_encrypted_root_is_refused(disks: Disks) -> None:
    raw = disks.folder / "encrypted.raw"
    with raw.open("wb") as disk:
        disk.truncate(32 << 20)
    subprocess.run(["sgdisk", "-n1:1M:+16M", raw], check=True, capture_output=True)
    with raw.open("r+b") as disk:
        disk.seek(1 << 20)
        disk.write(b"LUKS\xba\xbe\x00\x01" + b"aes".ljust(160, b"\0") + b"1" * 36)
    with pytest.raises(UnusableInput, match="encrypted"):
        pipeline.prepare(disks.guest(raw), disks.folder / "results" / "encrypted.qcow2")


def test_arrays_and_incomplete_volume_groups_are_refused(tmp_path: Path) -> None:
    paths = [
        volume_disks.blank(tmp_path / f"{name}.raw", 64) for name in ("array", "first", "more")
    ]
    with launch_appliance([Drive(path, "raw", writable=True) for path in paths]) as appliance:
        volume_disks.partition(appliance, "/dev/sda", 20, 20)
        appliance.call("md_create", "array", ["/dev/sda1", "/dev/sda2"], level="raid1")
        for disk in ("/dev/sdb", "/dev/sdc"):
            volume_disks.partition(appliance, disk, 60)
        appliance.call("vgcreate", "both", ["/dev/sdb1", "/dev/sdc1"])
        appliance.call("lvcreate", "root", "both", 100)
        appliance.shutdown()
    for path, word in zip(paths[:2], ("software RAID", "LVM"), strict=True):
        with pytest.raises(UnusableInput, match=word):
            inspect_image(path)


def test_a_var_that_is_not_on_the_disk_is_refused(disks: Disks) -> None:
    lines = "LABEL=cloudimg-rootfs / ext4\nUUID=elsewhere /home ext4\nUUID=other /var ext4\n"
    source = disks.disk("elsewhere", guest_disks.Recipe(extra={"etc/fstab": lines}))
    with pytest.raises(UnusableInput, match="/var is on UUID=other"):
        inspect_image(source)


def test_a_file_system_that_this_machine_does_not_know(disks: Disks) -> None:
    raw, part = disks.folder / "newer.raw", disks.folder / "newer.part"
    for path, size in ((raw, 64 << 20), (part, 60 << 20)):
        with path.open("wb") as stream:
            stream.truncate(size)
    subprocess.run(["sgdisk", "-n1:1M:+60M", raw], check=True, capture_output=True)
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-L", "newer", part], check=True)
    feature = "feature FEATURE_I20"  # an incompatible one, which no kernel has
    subprocess.run(["debugfs", "-w", "-R", feature, part], check=True, capture_output=True)
    convert = ["dd", f"if={part}", f"of={raw}", "bs=1M", "seek=1", "conv=notrunc"]
    subprocess.run(convert, check=True, capture_output=True)
    with pytest.raises(UnusableInput, match="newer") as caught:
        pipeline.prepare(disks.guest(raw), disks.folder / "results" / "newer.qcow2")
    assert "SUPERMIN_KERNEL" in (caught.value.hint or "")
    assert caught.value.details


def test_a_file_system_that_this_machine_can_only_read(disks: Disks) -> None:
    raw = disks.folder / "newer-root.raw"
    source = disks.disk("newer-root", guest_disks.Recipe(graphics=True))
    run(["qemu-img", "convert", "-O", "raw", source, raw])
    # A compatible one for reading alone, which no kernel has; the root starts at 1 MiB.
    run(["debugfs", "-w", "-R", "feature FEATURE_R20", f"{raw}?offset={1 << 20}"])
    output = disks.folder / "results" / "newer-root.qcow2"
    with pytest.raises(UnusableInput, match="written") as caught:
        pipeline.prepare(disks.guest(raw), output)
    assert "SUPERMIN_KERNEL" in (caught.value.hint or "") and not output.exists()
