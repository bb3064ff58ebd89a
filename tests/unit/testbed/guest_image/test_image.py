"""The parts of a test image, without making one."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest

from core.errors import KollarmError
from guestprep.parse.cpio import Member, write_archive
from testbed.guest_image import disk, root
from testbed.guest_image.image import GuestImage, check_initramfs
from testbed.guest_image.kernel import parse_dependencies, split
from testbed.guest_image.layouts import LAYOUTS
from testbed.guest_image.packages import PackageSpec

UBUNTU = LAYOUTS["ubuntu-18.04"]

DEPENDENCIES = parse_dependencies(
    """\
kernel/drivers/gpu/drm/virtio/virtio-gpu.ko.xz: kernel/drivers/gpu/drm/drm.ko.xz kernel/lib/x.ko.xz
kernel/drivers/gpu/drm/drm.ko.xz:
kernel/drivers/virtio/virtio_dma_buf.ko.xz:
kernel/drivers/virtio/needs_screen.ko.xz: kernel/drivers/gpu/drm/drm.ko.xz
kernel/lib/x.ko.xz:
kernel/fs/ext4/ext4.ko.xz: kernel/other/crc.ko.xz
kernel/other/crc.ko.xz:
kernel/other/unused.ko.xz:
"""
)


def test_split_keeps_graphics_out_of_the_cloud_modules() -> None:
    modules = split(
        DEPENDENCIES,
        cloud=("kernel/drivers/virtio/", "kernel/fs/", "kernel/lib/"),
        extra=("kernel/drivers/gpu/",),
    )
    assert modules.cloud == {
        "kernel/drivers/virtio/virtio_dma_buf.ko.xz",
        "kernel/fs/ext4/ext4.ko.xz",
        "kernel/lib/x.ko.xz",
        "kernel/other/crc.ko.xz",
    }
    assert modules.extra == {
        "kernel/drivers/gpu/drm/virtio/virtio-gpu.ko.xz",
        "kernel/drivers/gpu/drm/drm.ko.xz",
    }


def test_control_leaves_out_empty_fields() -> None:
    text = PackageSpec("a", "1", "what it is").control(12)
    assert "Depends" not in text
    assert "Installed-Size: 12\n" in text


def test_layout_names_the_release_and_itself() -> None:
    text = UBUNTU.os_release_text()
    assert 'ID="ubuntu"\n' in text
    assert 'VERSION_ID="18.04"\n' in text
    assert "kollarm test image" in text
    assert "GRUB_CMDLINE_LINUX_DEFAULT" in UBUNTU.grub_files["grub.d/50-cloudimg-settings.cfg"]


def test_partitions_do_not_overlap_and_fit() -> None:
    table = disk.cloud_table(2252)
    assert (table.esp.number, table.root.number) == (15, 1)
    assert table.esp.start + table.esp.length <= table.root.start
    # The backup table needs the last 33 sectors.
    assert table.root.last_sector <= table.size // disk.SECTOR - 34
    assert table.root.start % disk.MIB == table.esp.start % disk.MIB == 0


def test_overlay_belongs_to_root(tmp_path: Path) -> None:
    path = tmp_path / "overlay.tar"
    root.write_overlay(path, root.files(UBUNTU, disk.cloud_table(2252)), root.links())
    with tarfile.open(path) as archive:
        members = {member.name: member for member in archive}
    assert all(member.uid == member.gid == 0 for member in members.values())
    assert members["./etc/fstab"].isfile()
    assert members["./etc/systemd/system/apt-daily.timer"].linkname == "/dev/null"
    names = list(members)
    assert names.index("./etc/default/grub.d") < names.index(
        "./etc/default/grub.d/50-cloudimg-settings.cfg"
    )


def elf(machine: int) -> bytes:
    return b"\x7fELF\x02\x01\x01" + bytes(11) + machine.to_bytes(2, "little") + bytes(44)


def test_initramfs_of_one_architecture(tmp_path: Path) -> None:
    path = tmp_path / "initrd.img"

    def check(*contents: bytes) -> None:
        path.write_bytes(
            write_archive(
                Member(f"bin/{number}", 0o100755, len(content), content)
                for number, content in enumerate(contents)
            )
        )
        check_initramfs(path)

    # A program that handles ELF files has the magic number among its data.
    check(b"text", elf(183) + elf(62))
    with pytest.raises(KollarmError, match="'bin/1': 'x86_64'"):
        check(elf(183), elf(62))
    with pytest.raises(KollarmError, match="program"):
        check(b"text")
    path.write_bytes(b"damaged")
    with pytest.raises(KollarmError, match="unknown format"):
        check_initramfs(path)


def test_record_names_paths_in_its_folder(tmp_path: Path) -> None:
    record = {
        "layout": "ubuntu-18.04",
        "image": "a.img",
        "sha256": "0" * 64,
        "archive": "archive",
        "keyring": "keyring.gpg",
        "suite": "bionic",
        "uname": "6.12",
    }
    (tmp_path / "image.json").write_text(json.dumps(record))
    image = GuestImage.read(tmp_path)
    assert image.image == tmp_path / "a.img"
    assert image.to_dict()["keyring"] == str(tmp_path / "keyring.gpg")
