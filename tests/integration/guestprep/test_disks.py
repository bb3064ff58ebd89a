"""Disks of other kinds prepared through the real libguestfs."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from core.cache import file_digest
from core.config.model import Guest, GuestFile
from guestprep import pipeline
from guestprep.appliance import Appliance, Drive, launch_appliance
from guestprep.archive.client import ArchiveClient
from guestprep.inspect import inspect_disk
from guestprep.parse.compression import Compression
from guestprep.parse.dpkg import parse_status
from guestprep.parse.initramfs import InitramfsReader
from guestprep.plan.make import make_plan
from guestprep.plan.model import PreparationPlan
from guestprep.source import disk_facts
from guestprep.spec import PreparationSpec
from guestprep.verify import verify
from tests.support import debian_disks, guest_disks
from tests.support.commands import kollarm
from tests.support.disks import Disks

pytestmark = pytest.mark.integration


def test_a_merged_usr_with_a_boot_partition_and_two_segments(disks: Disks) -> None:
    source = disks.disk(
        "merged",
        guest_disks.Recipe(
            usr_merged=True,
            separate_boot=True,
            graphics=True,
            esp_mounted=False,
            compressions=(Compression.NONE, Compression.ZSTD),
        ),
    )
    output = disks.folder / "merged-prepared.qcow2"
    record = pipeline.prepare(disks.guest(source), output)
    assert "install" not in {step.kind() for step in record.plan.steps}
    before = file_digest(output), sorted(output.parent.iterdir())
    looked = kollarm("guest", "inspect", output, "--json")
    assert looked.status == 0, looked.stderr
    assert (file_digest(output), sorted(output.parent.iterdir())) == before
    facts = looked.document
    assert (facts["architecture"], facts["distribution"]) == ("aarch64", "ubuntu")
    assert facts["usr_merged"] and facts["cloud_init"]
    assert facts["disk"]["format"] == "qcow2" and facts["disk"]["compression"] == "zlib"
    (boot,) = (part for part in facts["partitions"] if part["role"] == "boot")
    assert (boot["label"], boot["mounted"]) == ("BOOT", "/boot") and boot["free"] > 0
    (kernel,) = facts["kernels"]
    assert kernel["gpu"] == "module"
    ramfs = kernel["initramfs"]
    assert ramfs["segments"] == ["none", "zstd", "zstd"]
    assert {"virtio_gpu", "drm", "drm_kms_helper", "soft_helper"} <= set(ramfs["modules"])
    usual = [entry for entry in facts["grub"]["entries"] if not entry["rescue"]]
    assert {tuple(entry["consoles"]) for entry in usual} == {("ttyAMA0,115200", "tty1")}


@pytest.mark.parametrize("filesystem", ["btrfs", pytest.param("xfs", marks=pytest.mark.full)])
def test_another_file_system_and_every_further_request(disks: Disks, filesystem: str) -> None:
    source = disks.disk(
        filesystem,
        guest_disks.Recipe(
            filesystem=filesystem,
            root_mib=320,
            graphics=True,
            root_last=True,
            extra={
                "usr/share/zoneinfo/Europe/Berlin": b"TZif",
                "etc/localtime": "-> /usr/share/zoneinfo/Etc/UTC",
                "etc/timezone": "Etc/UTC\n",
                "etc/motd": "as it was\n",
            },
        ),
    )
    motd = disks.folder / "motd"
    motd.write_text("as it shall be\n")
    guest = disks.guest(source).model_copy(
        update={
            "packages": ["linux-modules-notes"],
            "files": [GuestFile(source=motd, path="/etc/motd", mode="0640")],
            "timezone": "Europe/Berlin",
            "size": "1G",
            "compression": "zstd",
        }
    )
    output = disks.folder / f"{filesystem}-prepared.qcow2"
    record = pipeline.prepare(guest, output)
    claims = {check.claim: check.good for check in record.checks}
    assert all(claims.values())
    assert {"the time zone is Europe/Berlin", "the disk has 1.0 GiB"} <= set(claims)
    assert claims["/etc/motd is as requested, mode 0640"]
    assert claims["linux-modules-notes is installed"]
    with launch_appliance([Drive(output, "qcow2")]) as appliance:
        root = next(
            device
            for device in appliance.partitions()
            if appliance.block_id(device)["TYPE"] == filesystem
        )
        appliance.mount(root)
        length = appliance.call("blockdev_getsize64", root)
        assert length > 800 << 20
        assert filesystem_size(appliance, filesystem) == length
        assert appliance.read("/etc/motd") == b"as it shall be\n"
        assert appliance.read("/etc/timezone") == b"Europe/Berlin\n"
        assert appliance.read("/usr/share/doc/linux-modules-notes/notes") == b"none\n"
        assert not appliance.list_directory("/var/cache/kollarm")
        again = examine_again(appliance, output, guest)
    assert again.empty
    # By hand it is held to the same claims, as its record has them.
    by_hand = verify(output)
    assert by_hand.good
    assert {check.claim for check in by_hand.checks} == {
        "the file is unchanged since it was prepared (SHA-256)",
        *claims,
    }


def filesystem_size(appliance: Appliance, filesystem: str) -> int:
    """Bytes that the mounted file system takes by its own account."""
    if filesystem == "xfs":
        told = appliance.call("xfs_info", "/")
        return int(told["xfs_datablocks"]) * int(told["xfs_blocksize"])
    return appliance.filesystem_space("/")[1]  # btrfs counts the whole of its device


def examine_again(appliance: Appliance, path: Path, guest: Guest) -> PreparationPlan:
    """What would still be done to a prepared image."""
    appliance.unmount_all()
    spec = PreparationSpec.of(guest)
    with tempfile.TemporaryDirectory() as folder:
        seen = inspect_disk(appliance, disk_facts(path), Path(folder), spec.watched)
    status = parse_status(seen.contents.dpkg_status)
    return make_plan(seen.facts, status, spec, ArchiveClient(guest.archives, "arm64"))


def test_two_kernels_without_graphics_are_replaced_by_one(disks: Disks) -> None:
    source = disks.disk("upgraded", debian_disks.upgraded_cloud())
    other = replace(disks, archive=debian_disks.debian_archive(disks.folder / "upgraded-debian"))
    guest = other.guest(source)
    output = disks.folder / "upgraded-prepared.qcow2"
    record = pipeline.prepare(guest, output)
    assert all(check.good for check in record.checks)
    with launch_appliance([Drive(output, "qcow2")]) as appliance:
        appliance.mount("/dev/sda1")
        assert appliance.list_directory("/lib/modules") == [debian_disks.GENERIC]
        names = appliance.list_directory("/boot") + appliance.list_directory("/var/lib/dpkg/info")
        assert not [name for name in names if "cloud" in name]
        assert b"cloud-arm64" not in appliance.read("/boot/grub/grub.cfg")
        assert b"cloud-arm64" not in appliance.read("/var/lib/dpkg/status")
        assert examine_again(appliance, output, guest).empty


def test_a_kernel_with_graphics_beside_one_without(disks: Disks) -> None:
    """And a login prompt that is masked."""
    recipe = debian_disks.generic_beside_cloud()
    mask = "etc/systemd/system/getty@tty1.service"
    recipe.extra = {**recipe.extra, mask: "-> /dev/null", "usr/lib/systemd/systemd": b"x"}
    output = disks.folder / "both-prepared.qcow2"
    record = pipeline.prepare(disks.guest(disks.disk("both", recipe)), output)
    assert all(check.good for check in record.checks) and not record.outcome["packages"]
    with launch_appliance([Drive(output, "qcow2")]) as appliance:
        appliance.mount("/dev/sda1")
        assert not appliance.is_link(f"/{mask}")
        assert debian_disks.CLOUD not in appliance.read("/boot/grub/grub.cfg").decode()
        assert b"linux-image-cloud-arm64" not in appliance.read("/var/lib/dpkg/status")
        assert f"vmlinuz-{debian_disks.CLOUD}" not in appliance.list_directory("/boot")


def test_a_kernel_without_graphics_is_replaced(disks: Disks) -> None:
    source = disks.disk("cloud", debian_disks.debian_cloud())
    other = replace(disks, archive=debian_disks.debian_archive(disks.folder / "debian"))
    output = disks.folder / "cloud-prepared.qcow2"
    record = pipeline.prepare(other.guest(source), output)
    assert all(check.good for check in record.checks)
    with launch_appliance([Drive(output, "qcow2")]) as appliance:
        appliance.mount("/dev/sda1")
        boot = appliance.list_directory("/boot")
        modules = appliance.list_directory("/lib/modules")
        menu = appliance.read("/boot/grub/grub.cfg").decode()
        link = appliance.call("readlink", "/vmlinuz")
        copy = disks.folder / "initrd"
        appliance.download(f"/boot/initrd.img-{debian_disks.GENERIC}", copy, at_most=1 << 30)
        installed = parse_status(appliance.read("/var/lib/dpkg/status").decode())
        info = appliance.list_directory("/var/lib/dpkg/info")
    assert modules == [debian_disks.GENERIC]
    assert not [name for name in boot if "cloud" in name]
    assert debian_disks.CLOUD not in menu and f"vmlinuz-{debian_disks.GENERIC}" in menu
    assert link == f"boot/vmlinuz-{debian_disks.GENERIC}"
    assert installed.installed("linux-image-arm64") is not None
    assert installed.installed("linux-image-cloud-arm64") is None
    assert not [name for name in info if "cloud" in name]
    reader = InitramfsReader(copy)
    found = {entry.name for entry in reader.members(lambda _: False)}
    place = f"usr/lib/modules/{debian_disks.GENERIC}/kernel"
    # The root's file system is built into the old kernel, and a module of the new one.
    assert {f"{place}/fs/ext4.ko", f"{place}/lib/soft-helper.ko"} <= found
    assert f"{place}/drivers/gpu/drm/virtio/virtio-gpu.ko" in found
    assert not [name for name in found if debian_disks.CLOUD in name]
