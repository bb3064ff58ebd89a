"""Texts in a guest that a terminal would take for orders."""

from __future__ import annotations

import pytest

from tests.support import guest_disks
from tests.support.commands import kollarm
from tests.support.disks import Disks

pytestmark = pytest.mark.integration


def test_a_guests_own_texts_reach_the_terminal_as_text(disks: Disks) -> None:
    release = (
        'ID=ubuntu\nVERSION_ID="18.04"\nVERSION_CODENAME=bionic\n'
        'PRETTY_NAME="Ubuntu\x1b]52;c;AAAA\x07\x1b]0;title\x07\x1b[8m hidden \x9b2J\u202e [bold]"\n'
    )
    source = disks.disk("hostile", guest_disks.Recipe(os_release=release))
    seen = kollarm("guest", "inspect", source)
    assert seen.status == 0, seen.stderr
    assert "\\x1b]52;c;AAAA\\x07" in seen.stdout and "[bold]" in seen.stdout
    for text in (seen.stdout, seen.stderr):
        assert all(sign == "\n" or sign.isprintable() for sign in text)
    assert (
        "\x1b]52;c;AAAA\x07"
        in kollarm("guest", "inspect", source, "--json").document["pretty_name"]
    )
