"""The errors for an appliance that doesn't start."""

from __future__ import annotations

from pathlib import Path

import pytest

from guestprep.appliance.diagnosis import explain

SUPERMIN = "/usr/bin/supermin exited with error status 1"


def test_a_kernel_that_may_not_be_read_has_its_remedy(tmp_path: Path) -> None:
    kernel = tmp_path / "vmlinuz-6.8.0-31-generic"
    kernel.symlink_to("gone")  # not even root can read it
    error = explain(SUPERMIN, "supermin: no suitable kernel found", boot=tmp_path)
    assert str(kernel) in error.message
    assert error.hint is not None
    assert f"sudo chmod 0644 {kernel}" in error.hint
    assert f"dpkg-statoverride --update --add root root 0644 {kernel}" in error.hint


def test_one_kernel_that_can_be_read_is_enough(tmp_path: Path) -> None:
    (tmp_path / "vmlinuz-6.8.0-31-generic").symlink_to("gone")
    (tmp_path / "vmlinuz-6.8.0-30-generic").touch()
    error = explain(SUPERMIN, "", boot=tmp_path)
    assert "supermin" in error.message


def test_a_missing_kernel_has_its_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SUPERMIN_KERNEL", raising=False)
    error = explain(SUPERMIN, "", boot=tmp_path)
    assert "kernel" in error.message
    assert error.hint is not None and "apt-get install linux-image-" in error.hint


@pytest.mark.parametrize(
    ("message", "log", "key_word", "remedy"),
    [
        ("No module named 'guestfs'", "", "Python", "python3-guestfs"),
        ("write: No space left on device", "", "disk space", "LIBGUESTFS_CACHEDIR"),
        ("qemu-system-x86_64: not found", "", "hypervisor", "qemu-system-x86"),
    ],
)
def test_causes_with_a_remedy(message: str, log: str, key_word: str, remedy: str) -> None:
    error = explain(message, log)
    assert key_word in error.message
    assert error.hint is not None and remedy in error.hint


def test_what_may_be_kvm_has_no_hint_and_so_a_second_try() -> None:
    assert explain("guestfs_launch failed", "KVM internal error. Suberror: 1").hint is None
    assert explain("guestfs_launch failed\nand more", "").hint is None
    assert explain("", "").message == "the appliance did not start: no reason given"
