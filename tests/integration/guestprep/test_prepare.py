"""Guest images prepared through the real libguestfs: synthetic disks, real appliance."""

from __future__ import annotations

import hashlib
import logging
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from core.config.model import AptArchive, Guest, GuestFile, GuestSource
from core.errors import UnusableInput
from guestprep import pipeline
from guestprep.appliance import Appliance, Drive, launch_appliance
from guestprep.appliance.exchange import eject_disk
from guestprep.archive.client import ArchiveClient
from guestprep.inspect import inspect_disk
from guestprep.parse.compression import Compression
from guestprep.parse.dpkg import parse_status
from guestprep.parse.initramfs import Reading, members
from guestprep.plan import PreparationPlan, make_plan
from guestprep.record import record_path
from guestprep.source import disk_facts
from guestprep.spec import PreparationSpec
from guestprep.verify import verify
from tests.support import guest_disks, synthetic
from tests.support.commands import kollarm

pytestmark = pytest.mark.integration

EXTRA = f"linux-modules-extra-{guest_disks.VERSION}"


@dataclass(frozen=True)
class Bench:
    """A source disk, the archive for it and a folder for results."""

    source: Path
    archive: synthetic.SignedArchive
    folder: Path

    def guest(self, source: Path | None = None) -> Guest:
        return Guest(
            name="synthetic",
            source=GuestSource(path=source or self.source, sha256=None),
            archives=[
                AptArchive(
                    uri=f"file://{self.archive.folder}",
                    suite=self.archive.suite,
                    keyring=self.archive.keyring,
                )
            ],
        )

    def disk(self, name: str, recipe: guest_disks.Recipe) -> Path:
        return guest_disks.make(self.folder / f"{name}.qcow2", self.folder / name, recipe)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    folder = tmp_path_factory.mktemp("guestprep")
    source = guest_disks.make(folder / "source.qcow2", folder / "source")
    return Bench(source, guest_disks.archive(folder / "archive"), folder)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def hypervisors(mentioning: Path) -> list[str]:
    """Command lines of running programs that name a path."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        if str(mentioning) in line and f"/{os.getpid()}/" not in str(entry):
            found.append(line)
    return found


def test_the_seeds_own_case(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    before = digest(bench.source)
    output = bench.folder / "prepared.qcow2"
    with caplog.at_level(logging.INFO, "core.progress"):
        record = pipeline.prepare(bench.guest(), output)
    # The finished file is opened by the same appliance, whose disk is exchanged.
    assert caplog.messages.count("start: appliance") == 1
    assert digest(bench.source) == before
    assert record.sha256 == digest(output)
    assert record.checks and all(check.good for check in record.checks)
    assert {path.name for path in bench.folder.iterdir() if path.name.startswith(".")} == set()

    # What dpkg itself says of the result, and what the kernel would find in the initramfs.
    with launch_appliance([Drive(output, "qcow2")]) as appliance:
        appliance.mount("/dev/sda1")
        appliance.download(f"/boot/initrd.img-{guest_disks.VERSION}", bench.folder / "initrd")
        appliance.tar_out("/var/lib/dpkg", bench.folder / "dpkg.tar")
        menu = appliance.read("/boot/grub/grub.cfg").decode()
        dep = appliance.read(f"/lib/modules/{guest_disks.VERSION}/modules.dep").decode()
        # Only an appliance that was launched for it exchanges its disk.
        assert not eject_disk(appliance)
    admin = bench.folder / "dpkg"
    admin.mkdir()
    subprocess.run(["tar", "-C", admin, "-xf", bench.folder / "dpkg.tar"], check=True)
    (admin / "arch").write_text("amd64\narm64\n")  # here the guest's is a foreign one
    base = ["dpkg", f"--admindir={admin}"]
    listed = subprocess.run([*base, "-L", EXTRA], check=True, capture_output=True, text=True).stdout
    assert (
        f"/lib/modules/{guest_disks.VERSION}/kernel/drivers/gpu/drm/virtio/virtio-gpu.ko" in listed
    )
    shown = subprocess.run(
        [*base, "-s", "linux-image-extra-virtual"], check=True, capture_output=True, text=True
    ).stdout
    assert "Status: install ok installed" in shown
    # The synthetic disk's own packages have no lists; what kollarm installed must have all.
    audit = subprocess.run(
        [*base, "--audit", EXTRA, "linux-image-extra-virtual"],
        check=False,
        capture_output=True,
        text=True,
    ).stdout
    assert audit == ""
    assert "virtio-gpu.ko: kernel/drivers/gpu/drm/drm_kms_helper.ko" in dep
    assert "console=ttyAMA0,115200 console=tty1 $vt_handoff" in menu
    reading = Reading()
    found = {
        entry.name: entry
        for entry in members(
            bench.folder / "initrd", reading, lambda name: name.endswith("modules")
        )
    }
    assert [segment.compression for segment in reading.segments] == [Compression.GZIP] * 2
    folder = f"lib/modules/{guest_disks.VERSION}/kernel"
    assert f"{folder}/drivers/gpu/drm/virtio/virtio-gpu.ko" in found
    assert f"{folder}/lib/soft-helper.ko" in found
    assert found["conf/modules"].data == b"# loaded first\nvirtio_gpu\n"

    started = time.monotonic()
    assert pipeline.prepare(bench.guest(), output).kept
    assert time.monotonic() - started < 5


def test_a_prepared_image_stays_as_it_is(
    bench: Bench, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline.prepare(bench.guest(), bench.folder / "prepared.qcow2")
    monkeypatch.chdir(bench.folder)
    source, output = Path("prepared.qcow2"), Path("prepared-again.qcow2")
    with caplog.at_level(logging.INFO):
        record = pipeline.prepare(bench.guest(source), output)
    assert record.plan.empty
    assert digest(output) == digest(source) == record.sha256
    assert "  nothing to do: the image is prepared already" in caplog.messages
    assert "a copy: its source is prepared already" in record.to_text()


def test_a_merged_usr_with_a_boot_partition_and_two_segments(bench: Bench) -> None:
    source = bench.disk(
        "merged",
        guest_disks.Recipe(
            usr_merged=True,
            separate_boot=True,
            graphics=True,
            esp_mounted=False,
            compressions=(Compression.NONE, Compression.ZSTD),
        ),
    )
    output = bench.folder / "merged-prepared.qcow2"
    record = pipeline.prepare(bench.guest(source), output)
    assert "install" not in {step.kind() for step in record.plan.steps}
    before = digest(output), sorted(output.parent.iterdir())
    looked = kollarm("guest", "inspect", output, "--json")
    assert looked.status == 0, looked.stderr
    assert looked.stderr.count("appliance …") == 1
    assert (digest(output), sorted(output.parent.iterdir())) == before
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
def test_another_file_system_and_every_further_request(bench: Bench, filesystem: str) -> None:
    source = bench.disk(
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
    motd = bench.folder / "motd"
    motd.write_text("as it shall be\n")
    guest = bench.guest(source).model_copy(
        update={
            "packages": ["linux-modules-notes"],
            "files": [GuestFile(source=motd, path="/etc/motd", mode="0640")],
            "timezone": "Europe/Berlin",
            "size": "1G",
            "compression": "zstd",
        }
    )
    output = bench.folder / f"{filesystem}-prepared.qcow2"
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
        "it is the very file that was prepared (SHA256)",
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


def test_a_kernel_without_graphics_is_replaced(bench: Bench) -> None:
    source = bench.disk("cloud", guest_disks.debian_cloud())
    other = replace(bench, archive=guest_disks.debian_archive(bench.folder / "debian"))
    output = bench.folder / "cloud-prepared.qcow2"
    record = pipeline.prepare(other.guest(source), output)
    assert all(check.good for check in record.checks)
    with launch_appliance([Drive(output, "qcow2")]) as appliance:
        appliance.mount("/dev/sda1")
        boot = appliance.list_directory("/boot")
        modules = appliance.list_directory("/lib/modules")
        menu = appliance.read("/boot/grub/grub.cfg").decode()
        link = appliance.call("readlink", "/vmlinuz")
        appliance.download(f"/boot/initrd.img-{guest_disks.GENERIC}", bench.folder / "initrd")
        installed = parse_status(appliance.read("/var/lib/dpkg/status").decode())
        info = appliance.list_directory("/var/lib/dpkg/info")
    assert modules == [guest_disks.GENERIC]
    assert not [name for name in boot if "cloud" in name]
    assert guest_disks.CLOUD not in menu and f"vmlinuz-{guest_disks.GENERIC}" in menu
    assert link == f"boot/vmlinuz-{guest_disks.GENERIC}"
    assert installed.installed("linux-image-arm64") is not None
    assert installed.installed("linux-image-cloud-arm64") is None
    assert not [name for name in info if "cloud" in name]
    found = {entry.name for entry in members(bench.folder / "initrd", Reading(), lambda _: False)}
    place = f"usr/lib/modules/{guest_disks.GENERIC}/kernel"
    # The root's file system is built into the old kernel, and a module of the new one.
    assert {f"{place}/fs/ext4.ko", f"{place}/lib/soft-helper.ko"} <= found
    assert f"{place}/drivers/gpu/drm/virtio/virtio-gpu.ko" in found
    assert not [name for name in found if guest_disks.CLOUD in name]


@pytest.mark.parametrize(
    ("name", "recipe", "messages"),
    [
        (
            "foreign",
            guest_disks.Recipe(loader=False, os_release="ID=gentoo\nPRETTY_NAME=Gentoo\n"),
            ("no UEFI boot path", "its distribution is unknown: Gentoo"),
        ),
        (
            "full",
            guest_disks.Recipe(extra={"filling": b"x" * (46 << 20)}),
            ("no room on the image's /",),
        ),
    ],
)
def test_refused_with_nothing_written(
    bench: Bench, name: str, recipe: guest_disks.Recipe, messages: tuple[str, ...]
) -> None:
    source = bench.disk(name, recipe)
    before = digest(source)
    output = bench.folder / "results" / f"{name}.qcow2"
    with pytest.raises(UnusableInput) as caught:
        pipeline.prepare(bench.guest(source), output)
    for message in messages:
        assert message in f"{caught.value.message}\n{caught.value.details}"
    assert digest(source) == before
    assert not list(output.parent.glob(f"*{name}*"))
    assert not list(output.parent.glob(f".*{name}*"))


def test_an_encrypted_root_is_refused(bench: Bench) -> None:
    raw = bench.folder / "encrypted.raw"
    with raw.open("wb") as disk:
        disk.truncate(32 << 20)
    subprocess.run(["sgdisk", "-n1:1M:+16M", raw], check=True, capture_output=True)
    with raw.open("r+b") as disk:
        disk.seek(1 << 20)
        disk.write(b"LUKS\xba\xbe\x00\x01" + b"aes".ljust(160, b"\0") + b"1" * 36)
    with pytest.raises(UnusableInput, match="root file system is encrypted"):
        pipeline.prepare(bench.guest(raw), bench.folder / "results" / "encrypted.qcow2")


_PREPARE = """
import sys
from pathlib import Path
from guestprep import pipeline
from kollarm.config.model import Guest
pipeline.prepare(Guest.model_validate_json(sys.argv[1]), Path(sys.argv[2]))
"""


@pytest.mark.parametrize(
    ("moment", "number"),
    [("appliance", signal.SIGKILL), ("write", signal.SIGKILL), ("write", signal.SIGINT)],
)
def test_ended_at_any_moment(bench: Bench, moment: str, number: signal.Signals) -> None:
    before = digest(bench.source)
    output = bench.folder / f"ended-{moment}-{number}" / "result.qcow2"
    process = subprocess.Popen(
        [sys.executable, "-c", _PREPARE, bench.guest().model_dump_json(), str(output)],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.strip().startswith(f"{moment} …"):
            break
    time.sleep(1)
    process.send_signal(number)
    process.wait(60)
    process.stderr.close()
    deadline = time.monotonic() + 20
    while (left := hypervisors(output.parent)) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert not left
    assert digest(bench.source) == before
    assert not output.exists() and not record_path(output).exists()
    if number == signal.SIGINT:  # it has cleaned up after itself
        assert not list(output.parent.iterdir())
    elif moment == "write":  # nor does what a killed run leaves disturb the next one
        assert pipeline.prepare(bench.guest(), output).checks
        assert {path.name for path in output.parent.iterdir()} >= {output.name}
