"""A synthetic disk prepared through the real libguestfs, and what is in it afterwards."""

from __future__ import annotations

import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from core.cache import file_digest
from guestprep import pipeline
from guestprep.appliance import Drive, launch_appliance
from guestprep.appliance.exchange import eject_disk
from guestprep.parse.compression import Compression
from guestprep.parse.initramfs import InitramfsReader
from guestprep.record import PreparationRecord
from tests.support import guest_disks
from tests.support.appliance import counted_calls
from tests.support.disks import Disks

pytestmark = pytest.mark.integration


EXTRA = f"linux-modules-extra-{guest_disks.VERSION}"


@dataclass(frozen=True)
class Prepared:
    """The first disk after its preparation."""

    output: Path
    record: PreparationRecord
    source_before: str
    calls: Counter[str]
    """How often each call into the appliance was made."""


@pytest.fixture(scope="module")
def prepared(disks: Disks) -> Prepared:
    before = file_digest(disks.source)
    output = disks.folder / "prepared.qcow2"
    with counted_calls() as calls:
        record = pipeline.prepare(disks.guest(), output)
    return Prepared(output, record, before, calls)


@dataclass(frozen=True)
class Contents:
    """What is on a prepared disk."""

    menu: str
    """Of GRUB."""
    dependencies: str
    """Of the modules, as depmod writes them."""
    initramfs: Path
    dpkg: Path
    """A copy of /var/lib/dpkg."""
    exchanged: bool
    """Whether this appliance gave its disk out."""


@pytest.fixture(scope="module")
def contents(disks: Disks, prepared: Prepared) -> Contents:
    initramfs, admin = disks.folder / "initrd", disks.folder / "dpkg"
    with launch_appliance([Drive(prepared.output, "qcow2")]) as appliance:
        appliance.mount("/dev/sda1")
        appliance.download(f"/boot/initrd.img-{guest_disks.VERSION}", initramfs, at_most=1 << 30)
        appliance.call("tar_out", "/var/lib/dpkg", str(disks.folder / "dpkg.tar"))
        menu = appliance.read("/boot/grub/grub.cfg").decode()
        dependencies = appliance.read(f"/lib/modules/{guest_disks.VERSION}/modules.dep").decode()
        exchanged = eject_disk(appliance)
    admin.mkdir()
    subprocess.run(["tar", "-C", admin, "-xf", disks.folder / "dpkg.tar"], check=True)
    (admin / "arch").write_text("amd64\narm64\n")  # here the guest's is a foreign one
    return Contents(menu, dependencies, initramfs, admin, exchanged)


def test_one_launch_prepares_and_checks(prepared: Prepared) -> None:
    """The finished file is opened by the same appliance, whose disk is exchanged."""
    assert prepared.calls["launch"] == 1
    assert prepared.record.checks
    assert all(check.good for check in prepared.record.checks)


def test_the_source_stays_as_it_is(disks: Disks, prepared: Prepared) -> None:
    assert file_digest(disks.source) == prepared.source_before


def test_the_record_names_the_result(prepared: Prepared) -> None:
    assert prepared.record.sha256 == file_digest(prepared.output)


def test_no_hidden_file_is_left(disks: Disks, prepared: Prepared) -> None:
    assert [path.name for path in disks.folder.iterdir() if path.name.startswith(".")] == []


def test_a_second_preparation_launches_nothing(disks: Disks, prepared: Prepared) -> None:
    with counted_calls() as calls:
        assert pipeline.prepare(disks.guest(), prepared.output).kept
    assert not calls


def test_a_disk_is_exchanged_only_where_the_launch_asked_for_it(contents: Contents) -> None:
    assert not contents.exchanged


def dpkg(contents: Contents, *words: str) -> str:
    """What dpkg itself says of a prepared disk."""
    argv = ["dpkg", f"--admindir={contents.dpkg}", *words]
    return subprocess.run(argv, check=False, capture_output=True, text=True).stdout


def test_dpkg_knows_what_was_installed(contents: Contents) -> None:
    driver = "drivers/gpu/drm/virtio/virtio-gpu.ko"
    assert f"/lib/modules/{guest_disks.VERSION}/kernel/{driver}" in dpkg(contents, "-L", EXTRA)
    status = dpkg(contents, "-s", "linux-image-extra-virtual")
    assert "Status: install ok installed" in status
    # The synthetic disk's own packages have no lists; what kollarm installed must have all.
    assert dpkg(contents, "--audit", EXTRA, "linux-image-extra-virtual") == ""


def test_the_new_module_is_in_the_index(contents: Contents) -> None:
    assert "virtio-gpu.ko: kernel/drivers/gpu/drm/drm_kms_helper.ko" in contents.dependencies


def test_the_menu_puts_the_console_on_the_screen(contents: Contents) -> None:
    assert "console=ttyAMA0,115200 console=tty1 $vt_handoff" in contents.menu


def test_the_initramfs_gets_a_segment_with_the_driver(contents: Contents) -> None:
    reader = InitramfsReader(contents.initramfs)
    found = {entry.name: entry for entry in reader.members(lambda name: name.endswith("modules"))}
    assert [segment.compression for segment in reader.segments] == [Compression.GZIP] * 2
    folder = f"lib/modules/{guest_disks.VERSION}/kernel"
    assert f"{folder}/drivers/gpu/drm/virtio/virtio-gpu.ko" in found
    assert f"{folder}/lib/soft-helper.ko" in found
    assert found["conf/modules"].data == b"# loaded first\nvirtio_gpu\n"


def test_a_prepared_image_stays_as_it_is(
    disks: Disks, prepared: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(disks.folder)
    source, output = Path("prepared.qcow2"), Path("prepared-again.qcow2")
    record = pipeline.prepare(disks.guest(source), output)
    assert record.plan.empty
    assert file_digest(output) == file_digest(source) == record.sha256 == prepared.record.sha256
    assert "copy" in record.to_text()
