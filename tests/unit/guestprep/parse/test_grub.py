"""Menus whose kernel lines go on in the next line."""

from __future__ import annotations

import pytest

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
    assert (entry.line, entry.lines) == (1, 3)
    assert entry.initrd == ("/boot/initrd.img-6.1.0-1-arm64",)


def test_a_changed_line_leaves_no_stray_words() -> None:
    changed = grub.rewrite(CONTINUED, ("tty1",))
    assert "ro quiet console=tty1\n" in changed
    assert "\\" not in changed and "ttyS0" not in changed
    assert len(changed.splitlines()) == len(CONTINUED.splitlines())
    assert grub.rewrite(changed, ("tty1",)) == changed


@pytest.mark.parametrize(("end", "count"), [("\\", 2), ("\\\\", 1), ("\\\\\\", 2), ("", 1)])
def test_an_escaped_backslash_continues_nothing(end: str, count: int) -> None:
    first, *_ = grub.entries(f"linux /vmlinuz ro x{end}\n linux /other\n")
    assert first.lines == count


def test_a_backslash_at_the_end_of_the_file() -> None:
    (entry,) = grub.entries("linux /vmlinuz ro \\")
    assert entry.words[0] == "ro"
    grub.rewrite("linux /vmlinuz ro \\", ("tty1",))
