"""Entries that start other kernels, and a loader that waits instead of starting one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.errors import UnusableInput
from guestprep.apply.boot_menus import changed_text
from guestprep.facts import BootLoader, GuestFacts
from guestprep.parse.grub import BootEntry
from guestprep.plan import menus
from guestprep.plan.model import GrubStep
from guestprep.spec import PreparationSpec
from tests.support.guest_facts import UBUNTU_18_04

OLD, NEW = "6.1.0-5-cloud-arm64", "6.1.0-5-arm64"


def image(*kernels: str, top: str = "", waiting: str = "") -> GuestFacts:
    entries = tuple(
        BootEntry(
            "Debian", path, ("ro",), (), 0, path=f"/e/{number}.conf", top=top, release=version
        )
        for number, (path, version) in enumerate(entry.split(" ") for entry in kernels)
    )
    return replace(
        UBUNTU_18_04,
        grub=None,
        loader=BootLoader.SYSTEMD_BOOT,
        loader_entries=entries,
        waiting=waiting,
    )


def changed(facts: GuestFacts) -> list[GrubStep]:
    items = menus.change(facts, PreparationSpec(), {OLD: NEW})
    return [item for item in items if isinstance(item, GrubStep)]


@pytest.mark.parametrize(
    "facts",
    [
        image(f"/boot/vmlinuz-{OLD} {OLD}"),
        image(f"/vmlinuz-{OLD} {OLD}", top="/boot"),
        # The other kernel has an entry of its own.
        image(f"/t/{OLD}/linux {OLD}", f"/t/{NEW}/linux {NEW}", top="/boot/efi"),
    ],
)
def test_an_entry_starts_the_other_kernel_where_that_will_be(facts: GuestFacts) -> None:
    assert changed(facts)[0].kernels == {OLD: NEW}


def test_an_entry_of_a_copy_that_nobody_makes_is_refused() -> None:
    with pytest.raises(UnusableInput, match="copy") as caught:
        changed(image(f"/t/{OLD}/linux {OLD}", top="/boot/efi"))
    assert "linux-image-arm64" in str(caught.value.hint)


def test_a_loader_that_waits_is_told_not_to() -> None:
    path = "/boot/efi/loader/loader.conf"
    step = changed(image(f"/vmlinuz-{NEW} {NEW}", waiting=path))[-1]
    assert step.path == path and path in step.title
    text = changed_text(step, "timeout menu-force\ndefault debian-*\n")
    assert text.startswith("timeout 5\n") and text.endswith("default debian-*\n")
