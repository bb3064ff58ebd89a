"""An appliance that doesn't start as the machine promises."""

from __future__ import annotations

import logging
import platform
import threading
from pathlib import Path

import pytest

from core.run import run
from guestprep.appliance import Drive, acceleration, launch, launch_appliance

pytestmark = pytest.mark.integration

#: The hypervisor, whose first virtual machine doesn't come up.
_HYPERVISOR = """\
#!/bin/sh
case " $* " in
    *" -kernel "*) [ -e "$0.tried" ] || { touch "$0.tried"; MISHAP; } ;;
esac
exec qemu-system-ARCHITECTURE "$@"
"""


def use_hypervisor(path: Path, mishap: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let libguestfs use a hypervisor whose first machine meets with a mishap, a shell command."""
    path.write_text(
        _HYPERVISOR.replace("MISHAP", mishap).replace("ARCHITECTURE", platform.machine())
    )
    path.chmod(0o755)
    monkeypatch.setenv("LIBGUESTFS_HV", str(path))


@pytest.mark.parametrize(
    ("mishap", "cause"),
    [
        ("exec sleep 600", "no answer after 5 s"),
        pytest.param(
            "echo 'KVM internal error. Suberror: 1' >&2; exit 1",
            "QEMU reports a KVM internal error",
            marks=pytest.mark.full,
        ),
    ],
    ids=["hangs", "fails"],
)
def test_it_is_started_once_more_without_kvm(
    mishap: str,
    cause: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    use_hypervisor(tmp_path / "hypervisor", mishap, monkeypatch)
    device = tmp_path / "kvm"
    device.touch()
    monkeypatch.setattr(acceleration, "DEVICE", device)
    monkeypatch.delenv("LIBGUESTFS_BACKEND_SETTINGS", raising=False)
    monkeypatch.setattr(acceleration, "_broken", threading.Event())
    monkeypatch.setenv("KOLLARM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("KOLLARM_KVM_LIMIT", "5")
    disk = tmp_path / "disk.qcow2"
    run(["qemu-img", "create", "-q", "-f", "qcow2", disk, "8M"])
    with (
        caplog.at_level(logging.INFO, "core.progress"),
        launch_appliance([Drive(disk, "qcow2")]) as appliance,
    ):
        assert appliance.devices() == ["/dev/sda"]
    (warning,) = (entry.message for entry in caplog.records if entry.levelno == logging.WARNING)
    assert cause in warning and "without KVM" in warning
    # That KVM is broken holds for this process, and for the next one.
    assert not acceleration.usable()
    monkeypatch.setattr(acceleration, "_broken", threading.Event())
    assert not acceleration.usable()


def test_an_emulated_one_that_hangs_starts_once_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_hypervisor(tmp_path / "hypervisor", "exec sleep 600", monkeypatch)
    monkeypatch.setenv("LIBGUESTFS_BACKEND_SETTINGS", "force_tcg")
    monkeypatch.setattr(launch, "TCG_LIMIT", 5.0)
    disk = tmp_path / "disk.qcow2"
    run(["qemu-img", "create", "-q", "-f", "qcow2", disk, "8M"])
    with launch_appliance([Drive(disk, "qcow2")]) as appliance:
        assert appliance.devices() == ["/dev/sda"]
    assert (tmp_path / "hypervisor.tried").exists()
