"""What is found out of menus whose command lines are behind variables."""

from __future__ import annotations

from guestprep.inspect.analyse import analyse
from guestprep.inspect.collect import GuestContents
from guestprep.inspect.layout import DiskLayout
from guestprep.source import DiskFacts

MENU = """\
load_env
set kernelopts="quiet $serial"
set serial="console=ttyS0"
menuentry 'Rocky' {
    linux /vmlinuz-1.0-1 ro $kernelopts
}
"""
BLOCK = "# GRUB Environment Block\nkernelopts=ro\n"


def test_a_variable_counts_in_the_menu_and_in_the_environment() -> None:
    contents = GuestContents(
        layout=DiskLayout("gpt", (), (), ""),
        texts={"/boot/grub2/grub.cfg": MENU, "/boot/grub2/grubenv": BLOCK},
        names={"/etc/default/grub.d": ()},
        program=b"",
        usr_merged=True,
        menu="/boot/grub2/grub.cfg",
        kernels=(),
    )
    found = analyse(DiskFacts("x.qcow2", "qcow2", 1, 1, "zlib"), contents).grub
    assert found is not None
    # The environment's value names no further variable, the menu's does.
    assert found.variables == ("kernelopts", "serial")
    assert "console=ttyS0" in found.variable_words and found.environment_words == ("ro",)
