"""Which files a real QEMU has open when it is given an image that names another."""

from __future__ import annotations

import os
import tempfile
from contextlib import closing
from pathlib import Path

import pytest

from core.errors import UnusableInput
from core.sockets import socket_folder
from guestprep.boot import boot, machine
from guestprep.boot.machine import Accelerator, VirtualMachine
from guestprep.boot.watch import running
from guestprep.qemu_monitor import Monitor
from guestprep.source import disk_facts

pytestmark = pytest.mark.integration


def test_a_raw_disk_that_claims_to_be_another_format(tmp_path: Path) -> None:
    """A guest wrote a VMware descriptor over its own first sector, which names a file here."""
    secret, image = tmp_path / "secret", tmp_path / "disk.img"
    secret.write_bytes(bytes(1 << 20))
    text = (
        f"# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\n"
        f'createType="monolithicFlat"\nRW 2048 FLAT "{secret}" 0\n'.encode()
    )
    image.write_bytes(text + bytes(510 - len(text)) + b"\x55\xaa" + bytes(1 << 20))
    disk = disk_facts(image)
    guest = VirtualMachine(
        Path(disk.path), disk.format, machine.find_firmware(), Accelerator.TCG, tmp_path
    )
    # Its monitor answers once everything is open.
    with running(guest) as process, closing(Monitor(guest.monitor)):
        opened = {os.path.realpath(entry) for entry in Path(f"/proc/{process.pid}/fd").iterdir()}
    assert disk.path in opened
    assert str(secret) not in opened


def test_an_image_over_a_file_is_never_started(tmp_path: Path) -> None:
    image = tmp_path / "disk.img"
    image.write_text('# Disk DescriptorFile\nversion=1\nRW 2048 FLAT "/etc/shadow" 0\n')
    with pytest.raises(UnusableInput):
        boot(image)


def test_sockets_work_with_a_long_folder_of_temporary_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long, image = tmp_path / ("x" * 80), tmp_path / "disk.img"
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    image.write_bytes(bytes(510) + b"\x55\xaa" + bytes(1 << 20))
    with socket_folder("kollarm-boot-") as folder:
        guest = VirtualMachine(image, "raw", machine.find_firmware(), Accelerator.TCG, folder)
        with running(guest), closing(Monitor(guest.monitor)) as monitor:
            monitor.screenshot(folder / "screen.png")
        assert (folder / "screen.png").exists()
