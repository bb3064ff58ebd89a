"""The commands that the guest's own programs carry a plan out with."""

from __future__ import annotations

from dataclasses import replace

import pytest

from guestprep.facts import InitramfsFacts, InitramfsKind
from guestprep.inside.execute import commands
from guestprep.inspect.analyse import tools_in_use
from guestprep.plan.model import InitramfsStep, PreparationPlan
from tests.support.guest_facts import a_kernel, an_initramfs

BOTH = ("/usr/bin/dracut", "/usr/sbin/update-initramfs")
DRACUT = replace(an_initramfs(), kind=InitramfsKind.DRACUT)


@pytest.mark.parametrize(
    ("tools", "command"),
    [
        (InitramfsKind.DRACUT, "dracut --force --no-hostonly /boot/initrd.img-1 1"),
        (InitramfsKind.INITRAMFS_TOOLS, "update-initramfs -u -k 1"),
    ],
)
def test_the_initramfs_is_made_by_the_images_own_tool(tools: InitramfsKind, command: str) -> None:
    plan = PreparationPlan("", (InitramfsStep("", "/boot/initrd.img-1", "1"),), ())
    assert command in [entry for _, _, entry in commands(plan, tools)]


def test_the_copy_that_systemd_boot_reads_is_made_too() -> None:
    path = "/boot/efi/debian/1/initrd.img-1"
    plan = PreparationPlan("", (InitramfsStep("", path, "1"),), ())
    *_, (_, _, command) = commands(plan, InitramfsKind.INITRAMFS_TOOLS)
    assert command == f"cp /boot/initrd.img-1 {path}"


@pytest.mark.parametrize(
    ("present", "initramfs", "tools"),
    [
        (BOTH, an_initramfs(), InitramfsKind.INITRAMFS_TOOLS),
        (BOTH, DRACUT, InitramfsKind.DRACUT),
        (BOTH, None, InitramfsKind.DRACUT),
        (BOTH[1:], DRACUT, InitramfsKind.INITRAMFS_TOOLS),
        ((), DRACUT, InitramfsKind.UNKNOWN),
    ],
)
def test_of_two_tools_the_one_that_made_the_files_is_in_use(
    present: tuple[str, ...], initramfs: InitramfsFacts | None, tools: InitramfsKind
) -> None:
    kernel = replace(a_kernel(), initramfs=initramfs)
    assert tools_in_use(present, (kernel,)) is tools
