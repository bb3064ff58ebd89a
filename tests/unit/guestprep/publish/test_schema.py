"""The user's properties against a cloud's definitions."""

from __future__ import annotations

import pytest

from guestprep.publish.schema import PropertyDefinition, faults

KNOWN = {
    "hw_video_model": PropertyDefinition(allowed=("vga", "virtio", "qxl")),
    "hw_cpu_cores": PropertyDefinition(integer=True, minimum=1, maximum=64),
    "hw_disk_bus": PropertyDefinition(),
    "new_in_glance": PropertyDefinition(attribute=True),
    "kernel_id": PropertyDefinition(pattern="^[0-9a-f]{8}$"),
    "odd": PropertyDefinition(pattern=r"\p{L}+"),
}


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("hw_video_modl", "virtio", "did you mean 'hw_video_model'?"),
        ("hw_video_model", "virtoi", "did you mean 'virtio'? the cloud allows: vga, virtio, qxl"),
        ("hw_cpu_cores", "many", "not an integer"),
        ("hw_cpu_cores", "0", "less than 1"),
        ("hw_cpu_cores", "65", "more than 64"),
        ("min_disk", "5", "an attribute of images"),
        ("new_in_glance", "5", "an attribute of images"),
        ("kernel_id", "vmlinuz", "has the wrong form (it must match ^[0-9a-f]{8}$)"),
        ("kollarm_guest", "x", "reserved"),
        ("os_glance_failed_import", "x", "reserved"),
        ("architectur", "aarch64", "did you mean 'architecture'?"),
    ],
)
def test_what_is_wrong_is_said(name: str, value: str, expected: str) -> None:
    (fault,) = faults({name: value}, KNOWN)
    assert expected in str(fault)
    assert f"properties.{name}" in str(fault)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("hw_video_model", "virtio"),
        ("hw_video_model", ""),
        ("hw_cpu_cores", "64"),
        ("kernel_id", "0123abcd"),
        ("odd", "x"),
        ("trait:CUSTOM_ARM", "required"),
        ("department", "physics"),
        ("os_admin_user", "ubuntu"),
    ],
)
def test_what_is_right_or_the_users_own_passes(name: str, value: str) -> None:
    assert faults({name: value}, KNOWN) == []


def test_a_cloud_without_definitions_still_knows_the_usual_names() -> None:
    (fault,) = faults({"hw_firmware_typ": "uefi"}, {})
    assert "hw_firmware_type" in str(fault)


def test_all_faults_are_found_at_once() -> None:
    assert len(faults({"min_ram": "1", "hw_cpu_cores": "x"}, KNOWN)) == 2
