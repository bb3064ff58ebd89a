"""What GRUB's menu starts by itself."""

from __future__ import annotations

import pytest

from guestprep.parse.grub_default import started

#: As grub-mkconfig of Debian and Ubuntu writes it; DEFAULT is what GRUB_DEFAULT gives.
MENU = """\
if [ -s $prefix/grubenv ]; then
  load_env
fi
if [ "${next_entry}" ] ; then
   set default="${next_entry}"
   set next_entry=
   save_env next_entry
   set boot_once=true
else
   set default="DEFAULT"
fi
function load_video {
  insmod all_video
}
menuentry 'Debian' --class debian $menuentry_id_option 'gnulinux-simple-u' {
\tlinux /vmlinuz-2 root=UUID=u ro
}
submenu 'Advanced options >> more' $menuentry_id_option 'gnulinux-advanced-u' {
\tmenuentry 'Debian, with 2' --class os $menuentry_id_option 'gnulinux-2-advanced-u' {
\t\tlinux /vmlinuz-2 root=UUID=u ro
\t}
\tmenuentry 'Debian, with 2 (recovery mode)' --id 'gnulinux-2-recovery-u' {
\t\tlinux /vmlinuz-2 root=UUID=u ro single
\t}
\tmenuentry 'Debian, with 1' {
\t\tlinux /vmlinuz-1 root=UUID=u ro
\t}
}
if [ "$grub_platform" = "efi" ]; then
menuentry 'UEFI Firmware Settings' { fwsetup
}
fi
menuentry "Last" {
\tlinux /vmlinuz-0 ro
}
"""


def title(default: str, **environment: tuple[str, ...]) -> str:
    entry = started(MENU.replace("DEFAULT", default), environment)
    return entry.title if entry is not None else ""


@pytest.mark.parametrize(
    ("default", "expected"),
    [
        ("0", "Debian"),
        ("1", "Debian, with 2"),
        ("1>1", "Debian, with 2 (recovery mode)"),
        ("3", "Last"),
        ("Debian", "Debian"),
        ("Last", "Last"),
        ("gnulinux-advanced-u>gnulinux-2-recovery-u", "Debian, with 2 (recovery mode)"),
        ("Advanced options >>>> more>Debian, with 1", "Debian, with 1"),
        ("1>Debian, with 1", "Debian, with 1"),
        ("there is none", "Debian"),
        ("9", "Debian"),
        ("${saved_entry}", "Debian"),
        ("", "Debian"),
    ],
)
def test_the_default_by_number_title_and_identifier(default: str, expected: str) -> None:
    assert title(default) == expected


def test_the_default_in_the_environment() -> None:
    assert title("${saved_entry}", saved_entry=("Last",)) == "Last"
    assert title("$saved_entry", saved_entry=("1>2",)) == "Debian, with 1"
    # What grub-reboot wants once counts for the first start of each guest.
    assert title("0", next_entry=("1>1",)) == "Debian, with 2 (recovery mode)"


def test_a_menu_without_kernels_or_defaults() -> None:
    assert started("", {}) is None
    entry = started("menuentry 'x' {\nlinux /vmlinuz single\n}\n", {})
    assert entry is not None and entry.rescue
