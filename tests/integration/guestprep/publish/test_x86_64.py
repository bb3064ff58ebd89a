"""A guest of x86_64 from its disk to a cloud's Glance, beside one of aarch64."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from core.config.base import Architecture
from guestprep.publish import connect
from kollarm.services.glance import EmbeddedGlance
from tests.support import guest_disks, synthetic, x86_disk
from tests.support.commands import Outcome, kollarm
from tests.support.disks import Disks

pytestmark = pytest.mark.integration

#: A disk with GRUB for a BIOS, a kernel without graphics, and what an earlier guest left.
RECIPE = guest_disks.Recipe(
    program=synthetic.X86_PROGRAM,
    loader=False,
    boot_sector=b"\xebc\x90" + bytes(381) + b"GRUB \0Geom\0Hard Disk\0Read\0 Error",
    words="console=ttyS0",
    config="CONFIG_VT=y\nCONFIG_VT_CONSOLE=y\n",
    extra={
        "etc/machine-id": "0123456789abcdef0123456789abcdef\n",
        "etc/ssh/ssh_host_rsa_key": "a key\n",
    },
)


@pytest.fixture(scope="module")
def source(disks: Disks) -> Path:
    return disks.disk("x86", RECIPE)


def prepare(source: Path, output: Path, *options: str) -> Outcome:
    # Only one run at a time uses a folder's state, and another test's may be going on elsewhere.
    folder = output.parent
    return kollarm("guest", "prepare", source, "-o", output, *options, "--json", cwd=folder)


@pytest.fixture(scope="module")
def prepared(source: Path, disks: Disks) -> Path:
    output = disks.folder / "x86-prepared.qcow2"
    done = prepare(source, output, "--architecture", Architecture.X86_64)
    assert done.status == 0, done.stderr
    (record,) = done.document
    kinds = {step["kind"] for step in record["plan"]["steps"]}
    assert kinds == {"grub", "file", "clean"}
    return output


def test_what_was_done_is_seen_without_a_record(prepared: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare.qcow2"
    bare.symlink_to(prepared)
    checked = kollarm("guest", "verify", bare, "--json")
    assert checked.status == 0, checked.stdout
    claims = [check["claim"] for check in checked.document["checks"]]
    assert any("console=ttyS0,115200 console=tty1" in claim for claim in claims)
    assert not any("virtio_gpu" in claim for claim in claims)


def test_it_is_not_taken_for_the_other_architecture(
    source: Path, disks: Disks, tmp_path: Path
) -> None:
    for disk, options in ((source, ()), (disks.source, ("--architecture", "x86_64"))):
        refused = prepare(disk, tmp_path / "none.qcow2", *options)
        assert refused.status == 1 and "architecture:" in refused.stderr


def test_the_cloud_has_one_of_each_architecture(
    prepared: Path, disks: Disks, tmp_path: Path, loopback: dict[str, str], glance: EmbeddedGlance
) -> None:
    connection = connect(glance.cloud, clouds_yaml=glance.clouds_yaml)
    for architecture, image, firmware, machine in (
        ("x86_64", prepared, None, None),
        ("aarch64", disks.source, "uefi", "virt"),
    ):
        name = f"of-{architecture}-{uuid.uuid4().hex[:8]}"
        done = kollarm("guest", "publish", image, "--name", name, cwd=tmp_path, **loopback)
        assert done.status == 0, done.stderr
        seen = connection.image.find_image(name, ignore_missing=False)
        raw = connection.image.get(f"/images/{seen.id}").json()
        assert (raw["architecture"], raw["hw_video_model"]) == (architecture, "virtio")
        assert (raw.get("hw_firmware_type"), raw.get("hw_machine_type")) == (firmware, machine)


@pytest.mark.full
def test_a_debian_image_shows_its_login_prompt(tmp_path: Path) -> None:
    image = x86_disk.make(tmp_path / "debian.qcow2")
    output = tmp_path / "prepared.qcow2"
    done = prepare(image, output, "--architecture", "x86_64")
    assert done.status == 0, done.stderr
    firmware = ("-bios", "/usr/share/ovmf/OVMF.fd")
    for options in ((), firmware):
        shown = x86_disk.screen_of(output, tmp_path, *options, until=("login:",), limit=900)
        assert "x86-guest login:" in shown, shown
        serial = (tmp_path / "serial").read_text(errors="replace")
        assert "x86-guest login:" in serial
