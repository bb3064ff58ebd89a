"""Menus whose kernel lines go on in the next line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guestprep.parse import grub

CONTINUED = """\
menuentry 'Own' {
  linux /boot/vmlinuz-6.1.0-1-arm64 root=LABEL=r ro \\
    quiet \\
    console=ttyS0
  initrd /boot/initrd.img-6.1.0-1-arm64
}
"""


def test_a_continued_line_is_read_as_one() -> None:
    (entry,) = grub.entries(CONTINUED)
    assert entry.words == ("root=LABEL=r", "ro", "quiet", "console=ttyS0")
    assert entry.line == 1
    assert entry.initrd == ("/boot/initrd.img-6.1.0-1-arm64",)


def test_a_changed_line_leaves_no_stray_words() -> None:
    changed = grub.rewrite(CONTINUED, ("tty1",))
    assert "ro quiet console=tty1\n" in changed
    assert "\\" not in changed and "ttyS0" not in changed
    assert grub.rewrite(changed, ("tty1",)) == changed


@pytest.mark.parametrize(("end", "count"), [("\\", 2), ("\\\\", 1), ("\\\\\\", 2), ("", 1)])
def test_an_escaped_backslash_continues_nothing(end: str, count: int) -> None:
    found = grub.entries(f"linux /vmlinuz ro x{end}\n linux /other\n")
    assert len(found) == 3 - count


def test_a_backslash_at_the_end_of_the_file() -> None:
    (entry,) = grub.entries("linux /vmlinuz ro \\")
    assert entry.words[0] == "ro"
    grub.rewrite("linux /vmlinuz ro \\", ("tty1",))


BEHIND_A_VARIABLE = """\
if [ -s $prefix/grubenv ]; then load_env; fi
set kernelopts="quiet console=ttyAMA0"
set own=' nomodeset'
set other="console=ttyS9"
menuentry 'Own' {
  linux /boot/vmlinuz-1 root=LABEL=r ro $kernelopts ${own}
}
"""


def test_a_console_behind_a_variable_is_seen_and_taken_out() -> None:
    (entry,) = grub.entries(BEHIND_A_VARIABLE)
    assert entry.consoles == ("ttyAMA0",) and entry.blanking == ("nomodeset",)
    changed = grub.rewrite(BEHIND_A_VARIABLE, ("tty1",))
    (entry,) = grub.entries(changed)
    assert entry.consoles == ("tty1",) and not entry.blanking
    assert 'kernelopts="quiet"' in changed and 'other="console=ttyS9"' in changed
    assert grub.rewrite(changed, ("tty1",)) == changed


def test_a_variable_that_names_another() -> None:
    text = 'set a=console=ttyS0\nset b="quiet $a $b"\nlinux /vmlinuz $b\n'
    assert grub.entries(text)[0].consoles == ("ttyS0",)
    assert grub.entries(grub.rewrite(text, ("tty1",)))[0].consoles == ("tty1",)


def test_an_entry_on_one_line() -> None:
    text = "menuentry 'One; line' { linux /vmlinuz-1 ro console=ttyS0; initrd /initrd.img-1; }\n"
    (entry,) = grub.entries(text)
    assert (entry.title, entry.initrd) == ("One; line", ("/initrd.img-1",))
    assert "ro console=tty1; initrd /initrd.img-1; }" in grub.rewrite(text, ("tty1",))


def test_entries_of_submenus_and_under_conditions() -> None:
    text = (
        "submenu 'More' {\n if [ x ]; then linux /vmlinuz-1 ro\n else\n linux /vmlinuz-2 rw; fi\n}"
        "\n# linux /vmlinuz-3 no\n"
    )
    assert [entry.kernel for entry in grub.entries(text)] == ["/vmlinuz-1", "/vmlinuz-2"]


ENVIRONMENT = "# GRUB Environment Block\nsaved_entry=x\nkernelopts=ro console=ttyS0 nofb\n"


def test_the_environment_counts_and_keeps_its_length() -> None:
    block = ENVIRONMENT.ljust(1024, "#")
    words = grub.environment(block)
    assert words["kernelopts"] == ("ro", "console=ttyS0", "nofb")
    (entry,) = grub.entries("load_env\nlinux /vmlinuz $kernelopts\n", words)
    assert entry.consoles == ("ttyS0",)
    changed = grub.rewrite_environment(block, {"kernelopts"})
    assert len(changed) == 1024 and "kernelopts=ro\n" in changed and "saved_entry=x\n" in changed


@given(st.text(alphabet=st.sampled_from("linux set \t\n$ab{};\"'\\=console#\x00é1")))
def test_any_text_is_read_and_changed_once(text: str) -> None:
    for whole in (text, f"linux /v {text}", f"set a={text}\nlinux /v $a"):
        grub.commands(whole)
        changed = grub.rewrite(whole, ("ttyAMA0", "tty1"))
        for entry in grub.entries(changed):
            assert entry.rescue or entry.consoles[:2] == ("ttyAMA0", "tty1")
        assert grub.rewrite(changed, ("ttyAMA0", "tty1")) == changed


@pytest.mark.parametrize("quote", ['"', "'", ""])
def test_settings_get_the_consoles_and_keep_the_rest(quote: str) -> None:
    text = f"GRUB_CMDLINE_LINUX={quote}console=ttyS0{quote}\nGRUB_CMDLINE_LINUX_DEFAULT=quiet\n"
    changed = grub.assignments(grub.rewrite_settings(text, ("ttyAMA0", "tty1")))
    assert changed["GRUB_CMDLINE_LINUX"] == ("console=ttyAMA0", "console=tty1")
    assert changed["GRUB_CMDLINE_LINUX_DEFAULT"] == ("quiet",)
