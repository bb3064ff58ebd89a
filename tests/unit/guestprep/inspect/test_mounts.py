"""Which file system an fstab means, and where."""

from __future__ import annotations

from dataclasses import replace

import pytest

from guestprep.apply.new_files import mount_of
from guestprep.inspect.mounts import Mount, absent, mounts_of
from guestprep.inspect.volumes import volume_paths
from guestprep.parse.text import fstab
from tests.support.guest_facts import a_partition

PARTITION = replace(
    a_partition(number=2),
    label="my root/x",
    uuid="0b8c4f2e-1111-4222-8333-abcdefabcdef",
    partuuid="11111111-02",
    partlabel="Linux é",
)


def where(source: str, options: str = "defaults") -> list[Mount]:
    table = fstab(f"{source} /srv/my\\040data/ ext4 {options} 0 2\n")
    return mounts_of(table, [a_partition(number=1), PARTITION])


@pytest.mark.parametrize(
    "source",
    [
        "UUID=0B8C4F2E-1111-4222-8333-ABCDEFABCDEF",
        'UUID="0b8c4f2e-1111-4222-8333-abcdefabcdef"',
        "LABEL=my\\040root/x",
        "PARTUUID=11111111-02",
        "PARTLABEL=Linux\\040é",
        "/dev/disk/by-uuid/0b8c4f2e-1111-4222-8333-abcdefabcdef",
        "/dev/disk/by-label/my\\x20root\\x2fx",
        "/dev/disk/by-partuuid/11111111-02",
        "/dev/sda2",
        "/dev/vda2",
        "/dev/xvda2",
        "/dev/nvme0n1p2",
        "/dev/mmcblk0p2",
    ],
)
def test_every_form_of_fstab_is_understood(source: str) -> None:
    assert where(source) == [Mount("/dev/sda2", "/srv/my data", "")]


@pytest.mark.parametrize(
    "source",
    [
        "/dev/sdb2",
        "/dev/sda",
        "/dev/sda3",
        "UUID=",
        "LABEL=x",
        "tmpfs",
        "/dev/disk/by-id/x",
        "//a/b",
    ],
)
def test_what_is_not_on_the_disk_is_left_out(source: str) -> None:
    assert where(source) == []


@pytest.mark.parametrize(
    "source",
    [
        "/dev/my-group/a-root.1",
        "/dev/mapper/my--group-a--root.1",
        "/dev/disk/by-id/dm-name-my--group-a--root.1",
        "/dev/disk/by-id/dm-uuid-LVM-ABCdef",
        "UUID=0b8c4f2e-1111-4222-8333-abcdefabcdef",
    ],
)
def test_every_name_of_a_logical_volume_is_understood(source: str) -> None:
    device = "/dev/my-group/a-root.1"
    volume = replace(PARTITION, device=device, number=0, paths=volume_paths(device, "ABCdef"))
    table = fstab(f"{source} / ext4 defaults 0 1\n")
    assert mounts_of(table, [a_partition(number=1), volume]) == [Mount(device, "/", "")]
    assert not absent(table, [volume])


@pytest.mark.parametrize(
    ("line", "missing"),
    [
        ("/dev/mapper/home_crypt /home ext4 defaults 0 2", True),
        ("UUID=x /home xfs", True),
        ("UUID=x /home ext4 defaults,nofail 0 2", False),
        ("/dev/sr0 /media/cdrom0 udf,iso9660 user,noauto 0 0", False),
        ("tmpfs /tmp tmpfs defaults 0 0", False),
        ("nas:/home /home nfs defaults 0 0", False),
        ("/dev/vda2 /home ext4 defaults 0 2", False),
    ],
)
def test_what_must_be_there_and_is_not(line: str, missing: bool) -> None:
    assert bool(absent(fstab(line + "\n"), [PARTITION])) is missing


def test_subvolumes_are_mounted_as_in_the_guest() -> None:
    (mount,) = where("/dev/vda2", "compress=zstd,subvol=@var,nofail")
    assert mount.options == "subvol=@var"


def test_what_is_above_comes_first() -> None:
    table = fstab("/dev/sda2 /var/log ext4\n/dev/sda1 /var ext4\n/dev/sda1 / ext4\n")
    found = mounts_of(table, [a_partition(number=1), PARTITION])
    assert [mount.where for mount in found] == ["/", "/var", "/var/log"]


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/etc/x", "/"),
        ("/var/lib/x", "/var"),
        ("/var/log/x", "/var/log"),
        ("/variant", "/"),
        ("/boot", "/boot"),
    ],
)
def test_the_file_system_of_a_path(path: str, found: str) -> None:
    assert mount_of(path, ["/", "/var", "/var/log", "/boot"]) == found
