"""Looking at files before they are sent, with the real qemu-img."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from core.errors import ConfigError, UnusableInput
from core.progress import Progress
from guestprep.publish.image_file import digests, read_facts
from guestprep.publish.model import Method
from guestprep.publish.transfer import UploadStream, choose
from tests.support.boot_sector import PROTECTIVE, boot_sector, entry


def qcow2(path: Path, *options: str, content: int = 1 << 20) -> Path:
    raw = path.with_suffix(".raw")
    raw.write_bytes(boot_sector(entry()) + os.urandom(content - 512))
    subprocess.run(["qemu-img", "convert", "-O", "qcow2", *options, raw, path], check=True)
    return path


def test_a_qcow2_and_a_raw_disk_are_known(tmp_path: Path) -> None:
    path = qcow2(tmp_path / "a.qcow2")
    found = read_facts(path)
    assert (found.disk_format, found.virtual_size) == ("qcow2", 1 << 20)
    assert found.size == path.stat().st_size
    assert read_facts(tmp_path / "a.raw").disk_format == "raw"


def test_what_is_no_disk_is_refused(tmp_path: Path) -> None:
    noise = tmp_path / "noise"
    noise.write_bytes(os.urandom(100_000))
    empty = tmp_path / "empty"
    empty.touch()
    for path in (noise, empty):
        with pytest.raises(UnusableInput, match="not a disk image"):
            read_facts(path)
    with pytest.raises(UnusableInput, match="no such file"):
        read_facts(tmp_path / "missing")
    with pytest.raises(UnusableInput, match="is not a file"):
        read_facts(tmp_path)


def test_a_qcow2_that_was_cut_short_is_refused(tmp_path: Path) -> None:
    path = qcow2(tmp_path / "a.qcow2")
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(UnusableInput, match="cut short"):
        read_facts(path)


def test_an_image_that_needs_another_file_is_refused(tmp_path: Path) -> None:
    base, overlay, data = (tmp_path / name for name in ("base.qcow2", "over.qcow2", "data.qcow2"))
    qcow2(base)
    subprocess.run(
        ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", base, overlay], check=True
    )
    with pytest.raises(UnusableInput, match="backing file"):
        read_facts(overlay)
    qcow2(data, "-o", f"data_file={tmp_path}/data.bin")
    with pytest.raises(UnusableInput, match="external file"):
        read_facts(data)


@pytest.mark.parametrize(
    ("entries", "word"),
    [
        ((), "no partition"),
        ((entry(flag=0x01),), "flag"),
        ((PROTECTIVE, entry()), "other partitions"),
        ((entry(0xEE, sector=1),), "second sector"),
        ((entry(0xEE, start=b"\x00\x02\x00", sector=2),), "second sector"),
    ],
)
def test_a_table_that_glance_refuses_is_refused(
    tmp_path: Path, entries: tuple[bytes, ...], word: str
) -> None:
    disk = tmp_path / "a disk.raw"
    disk.write_bytes(boot_sector(*entries).ljust(1 << 20, b"\0"))
    with pytest.raises(UnusableInput, match=word) as caught:
        read_facts(disk)
    # What is advised helps.
    subprocess.run((caught.value.hint or "").partition(": ")[2], shell=True, check=True)
    assert read_facts(tmp_path / "a disk-plain.qcow2").virtual_size == 1 << 20


@pytest.mark.parametrize("entries", [(PROTECTIVE,), (entry(flag=0x80), entry(0x82))])
def test_a_table_that_glance_accepts_is_accepted(
    tmp_path: Path, entries: tuple[bytes, ...]
) -> None:
    disk = tmp_path / "a.raw"
    disk.write_bytes(boot_sector(*entries).ljust(1 << 20, b"\0"))
    assert read_facts(disk).disk_format == "raw"


def test_features_that_glance_does_not_know_are_refused(tmp_path: Path) -> None:
    path = qcow2(tmp_path / "a.qcow2", "-o", "extended_l2=on")
    with pytest.raises(UnusableInput, match="features") as caught:
        read_facts(path)
    subprocess.run((caught.value.hint or "").partition(": ")[2], shell=True, check=True)
    assert read_facts(tmp_path / "a-plain.qcow2").disk_format == "qcow2"


def test_another_format_is_refused_with_a_converting_command(tmp_path: Path) -> None:
    vmdk = tmp_path / "a.vmdk"
    subprocess.run(["qemu-img", "create", "-q", "-f", "vmdk", vmdk, "1M"], check=True)
    with pytest.raises(UnusableInput, match="VMware") as caught:
        read_facts(vmdk)
    assert "qemu-img convert" in (caught.value.hint or "")


def test_what_is_sent_is_hashed_on_the_way(tmp_path: Path) -> None:
    path = tmp_path / "content"
    path.write_bytes(os.urandom(3_500_000))
    with Progress(quiet=True).step("upload") as step:
        source = UploadStream(path, path.stat().st_size, step)
        for _ in range(2):  # a second time after an expired token
            assert b"".join(source) == path.read_bytes()
            assert source.digest == digests(path, ["sha512"])["sha512"]
        assert len(source) == 3_500_000
        assert step.text.startswith("100 %")


@pytest.mark.parametrize(
    ("requested", "offered", "url", "methods"),
    [
        ("auto", (), None, ["put"]),
        ("auto", ("web-download",), None, ["put"]),
        ("auto", ("web-download", "glance-direct"), "u", ["put", "glance-direct", "web-download"]),
        ("put", ("glance-direct",), None, ["put"]),
        ("glance-direct", ("glance-direct",), None, ["glance-direct"]),
        ("web-download", ("web-download",), "u", ["web-download"]),
    ],
)
def test_the_ways_of_uploading_in_their_order(
    requested: str, offered: tuple[str, ...], url: str | None, methods: list[str]
) -> None:
    assert list(choose(Method(requested), lambda: offered, url)) == methods


def test_a_way_that_the_cloud_does_not_offer_is_refused() -> None:
    with pytest.raises(ConfigError, match="doesn't offer the method glance-direct") as caught:
        next(choose(Method.GLANCE_DIRECT, lambda: ("copy-image",), None))
    assert caught.value.hint == "it offers: put, copy-image"
    with pytest.raises(ConfigError, match="the address at which Glance can fetch"):
        next(choose(Method.WEB_DOWNLOAD, lambda: ("web-download",), None))
