"""What a real QEMU does with a guest that prints without end, or turns itself off."""

from __future__ import annotations

import resource
import signal
import tempfile
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from core.errors import KollarmError
from guestprep.boot import boot
from guestprep.boot.machine import SERIAL, SERIAL_SIZE, Accelerator, VirtualMachine
from guestprep.boot.watch import WRITES, running
from guestprep.qemu_monitor import Monitor
from tests.support.arm_firmware import Then, printing

pytestmark = pytest.mark.integration

MIB = 1 << 20


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    path = tmp_path / "disk.raw"
    path.write_bytes(bytes(510) + b"\x55\xaa" + bytes(MIB))
    return path


def test_a_console_that_never_ends_fills_nothing(disk: Path, tmp_path: Path) -> None:
    firmware = printing(tmp_path, "x" * 200 + "\n", Then.REPEAT)
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name)
        guest = VirtualMachine(disk, "raw", firmware, Accelerator.TCG, folder)
        with running(guest) as process, closing(Monitor(guest.monitor)) as monitor:
            qemu = psutil.Process(process.pid)
            total = 0
            before = qemu.memory_info().rss
            # Until ten times what the buffer holds was printed, as far as it can be known.
            while total < 10 * SERIAL_SIZE:
                read = len(monitor.printed(SERIAL, SERIAL_SIZE))
                assert read <= SERIAL_SIZE
                total += read
            assert qemu.memory_info().rss - before < 64 * MIB
            assert sum(path.stat().st_size for path in folder.iterdir()) < MIB


def test_a_guest_that_writes_without_end_gets_errors(disk: Path, tmp_path: Path) -> None:
    """QEMU may not make a file larger than that, and isn't killed when it tries."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        guest = VirtualMachine(disk, "raw", printing(tmp_path, "x"), Accelerator.TCG, Path(name))
        with running(guest) as process:
            assert psutil.Process(process.pid).name().startswith("qemu")
            soft, hard = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
            status = Path(f"/proc/{process.pid}/status").read_text()
    assert soft == hard == WRITES
    (ignored,) = (line.split()[1] for line in status.splitlines() if line.startswith("SigIgn"))
    assert int(ignored, 16) & 1 << (signal.SIGXFSZ - 1)


def test_a_boot_of_such_a_guest_ends_in_time(disk: Path, tmp_path: Path) -> None:
    report = boot(disk, timeout=5, firmware=printing(tmp_path, "\x1b[31mx", Then.REPEAT))
    assert report.timed_out and not report.passed
    assert len(report.serial_tail) <= SERIAL_SIZE


def test_a_guest_that_turns_itself_off_leaves_its_words(disk: Path, tmp_path: Path) -> None:
    with pytest.raises(KollarmError, match="turned itself off") as caught:
        boot(disk, timeout=60, firmware=printing(tmp_path, "last words\r\n", Then.TURN_OFF))
    assert caught.value.details == "last words"
