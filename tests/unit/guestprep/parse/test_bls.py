"""Boot loader entries in files of their own."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from guestprep.parse import bls

ENTRY = """\
# Boot Loader Specification type#1 entry
title      Debian GNU/Linux 12 (bookworm)
version    6.1.0-1-arm64
machine-id 4098b3f648d74c13b1f04ccfba7798e8
options    root=UUID=1234 ro quiet
options    console=ttyS0 nomodeset
linux      /4098b3f648d74c13b1f04ccfba7798e8/6.1.0-1-arm64/linux
initrd     /4098b3f648d74c13b1f04ccfba7798e8/6.1.0-1-arm64/initrd.img-6.1.0-1-arm64
"""
CONSOLES = ("ttyAMA0,115200", "tty1")


def test_an_entry_is_read() -> None:
    entry = bls.entry("/e.conf", ENTRY)
    assert entry is not None
    assert entry.version == "6.1.0-1-arm64" and entry.consoles == ("ttyS0",)
    assert entry.words[:2] == ("root=UUID=1234", "ro") and entry.blanking == ("nomodeset",)
    assert entry.initrd[0].endswith("/initrd.img-6.1.0-1-arm64")


def test_an_entry_gets_the_requested_consoles() -> None:
    changed = bls.rewrite(ENTRY, CONSOLES)
    assert changed.count("options") == 1
    entry = bls.entry("/e.conf", changed)
    assert entry is not None and entry.consoles == CONSOLES and not entry.blanking
    assert bls.rewrite(changed, CONSOLES) == changed


def test_an_entry_without_options_gets_them() -> None:
    changed = bls.rewrite("title x\nlinux /vmlinuz-1\n", ("tty1",))
    assert changed == "title x\nlinux /vmlinuz-1\noptions console=tty1\n"


def test_variables_of_grub_count_as_words() -> None:
    entry = bls.entry("/e", "linux /vmlinuz\noptions $kernelopts\n", {"kernelopts": ("nofb",)})
    assert entry is not None and entry.blanking == ("nofb",)


def test_an_entry_that_starts_no_kernel() -> None:
    assert bls.entry("/e", "title UEFI shell\nefi /shell.efi\n") is None
    assert bls.rewrite("title UEFI shell\nefi /shell.efi\n", CONSOLES).startswith("title")


@given(st.text(alphabet=st.sampled_from("linux \t\noptions$\"'\\=consl#\x00é1")))
def test_any_text_is_read_and_changed_once(text: str) -> None:
    for whole in (text, f"linux /v\n{text}", f"linux /v\noptions {text}"):
        changed = bls.rewrite(whole, CONSOLES)
        entry = bls.entry("/e", changed)
        assert entry is None or entry.rescue or entry.consoles == CONSOLES
        assert bls.rewrite(changed, CONSOLES) == changed
