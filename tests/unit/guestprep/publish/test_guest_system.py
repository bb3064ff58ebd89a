"""What a guest's system says about itself, and which ones nobody could start."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import UnusableInput
from guestprep.inspect import Identity
from guestprep.parse.cloudcfg import default_user
from guestprep.publish.guest_system import bootable_system, firmware, require_bootable
from guestprep.record import PreparationRecord
from tests.support.preparation import plan

FOUND = Identity("aarch64", "EFI/BOOT/BOOTAA64.EFI", "ubuntu", "22.04", "ubuntu")

CLOUD_CFG = """
users: [default]
system_info:
  distro: ubuntu
  default_user: {name: ubuntu, lock_passwd: true}
"""


def record(**settings: str) -> PreparationRecord:
    known: dict[str, Any] = {
        "architecture": "aarch64", "uefi": "x", "distribution": "debian", "release": "12",
    }  # fmt: skip
    return PreparationRecord(
        name="x", source="", output="", sha256="", size=0, inputs={}, plan=plan(), outcome={},
        checks=(), seconds={}, **(known | settings),
    )  # fmt: skip


def test_a_record_tells_without_a_look() -> None:
    assert bootable_system(Path("nowhere"), record(admin_user="cloud")) == Identity(
        "aarch64", "x", "debian", "12", "cloud"
    )
    # Where cloud-init's settings name nobody.
    assert bootable_system(Path("nowhere"), record()).admin_user == "debian"
    assert bootable_system(Path("nowhere"), record(distribution="fedora")).admin_user == ""


@pytest.mark.parametrize(
    ("system", "says"),
    [
        (Identity("x86_64", "", "", "", ""), "nothing starts it"),
        (Identity("riscv64", "x", "", "", ""), "for riscv64, not for aarch64"),
        (Identity("", "x", "", "", ""), "an unknown architecture"),
        (Identity("aarch64", "", "", "", ""), "UEFI would find nothing"),
    ],
)
def test_what_no_machine_starts_is_refused(system: Identity, says: str) -> None:
    with pytest.raises(UnusableInput, match=says) as caught:
        require_bootable(Path("some.img"), system)
    assert caught.value.hint
    require_bootable(Path("some.img"), FOUND)


@pytest.mark.parametrize(
    ("system", "properties"),
    [
        (FOUND, {}),
        (Identity("x86_64", "", "", "", "", bios=True), {}),
        # Hosts may have either firmware.
        (Identity("x86_64", "EFI/BOOT/BOOTX64.EFI", "", "", "", bios=True), {}),
        (Identity("x86_64", "EFI/BOOT/BOOTX64.EFI", "", "", ""), {"hw_firmware_type": "uefi"}),
    ],
)
def test_the_firmware_is_named_where_it_matters(
    system: Identity, properties: dict[str, str]
) -> None:
    require_bootable(Path("some.img"), system)
    assert firmware(system) == properties


@pytest.mark.parametrize(
    ("texts", "user"),
    [
        ([CLOUD_CFG], "ubuntu"),
        ([CLOUD_CFG, "system_info: {default_user: {name: me}}"], "me"),
        ([CLOUD_CFG, "datasource_list: [None]", "{{ jinja }}", "- 1", ""], "ubuntu"),
        (["system_info: {default_user: {name: 7}}"], ""),
        ([], ""),
    ],
)
def test_the_user_that_cloud_init_makes(texts: list[str], user: str) -> None:
    assert default_user(texts) == user


@given(st.lists(st.text()))
def test_any_text_is_read(texts: list[str]) -> None:
    default_user(texts)
