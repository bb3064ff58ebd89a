"""Guests and packages whose files' names lead to the host: nothing of the host is written."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import KollarmError
from guestprep import pipeline
from guestprep.parse.compression import Compression, compress
from guestprep.parse.cpio import Member, write_archive
from tests.support import guest_disks
from tests.support.disks import Disks
from tests.support.hostile_names import UP, deb_of, nothing_appears

pytestmark = pytest.mark.integration

CONTENT = b"what the guest wants the host to have\n"
VERSION = guest_disks.VERSION


def refused(disks: Disks, source: Path, host: Path) -> str:
    """The message of a preparation that is refused without a trace."""
    output = disks.folder / "results" / source.name
    with nothing_appears(host), pytest.raises(KollarmError) as caught:
        pipeline.prepare(disks.guest(source), output)
    assert not output.exists()
    return f"{caught.value.message}\n{caught.value.details}"


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """A folder of the host, which the names point to."""
    folder = tmp_path / "host"
    folder.mkdir()
    (folder / "there.ko").write_text("the host's own")
    return folder


def test_an_initramfs(disks: Disks, host: Path) -> None:
    members = [
        Member(f"lib/modules/{VERSION}/{UP}{host}/{name}", stat.S_IFREG | 0o644, 38, CONTENT)
        for name in ("new.ko", "there.ko")
    ]
    tail = compress(write_archive(members), Compression.GZIP)
    source = disks.disk("ramfs", guest_disks.Recipe(graphics=True, initramfs_tail=tail))
    assert "leads out" in refused(disks, source, host)


def test_modules_dep(disks: Disks, host: Path) -> None:
    driver = "kernel/drivers/gpu/drm/virtio/virtio-gpu.ko"
    line = (
        f"{driver}: {UP}{host}/there.ko {host}/new.ko.xz\n{UP}{host}/there.ko:\n{host}/new.ko.xz:\n"
    )
    recipe = guest_disks.Recipe(
        graphics=True,
        index_tail=line,
        extra={f"{host}/there.ko": CONTENT, f"{host}/new.ko": CONTENT},
    )
    assert "modules.dep" in refused(disks, disks.disk("dep", recipe), host)
    # With packages that bring modules, every module of the guest gets a stub.
    source = disks.disk("dep-stubs", replace(recipe, graphics=False))
    assert "modules.dep" in refused(disks, source, host)


def test_a_package(tmp_path: Path, host: Path) -> None:
    folder = tmp_path / "guest"
    folder.mkdir()
    archive = guest_disks.archive(folder / "archive")
    extra = archive.folder / "pool" / "extra.deb"
    control = (
        f"Package: linux-modules-extra-{VERSION}\nVersion: 4.15.0-99.100\nArchitecture: arm64\n"
        "Maintainer: x <x@example.org>\nDescription: x\n"
    )
    source = guest_disks.make(folder / "source.qcow2", folder / "source")
    disks = Disks(source, archive, folder)
    deb_of(extra, control, {f"lib/modules/{VERSION}/{UP}{host}/there.ko": CONTENT})
    archive.sign()
    assert "leads out" in refused(disks, source, host)
