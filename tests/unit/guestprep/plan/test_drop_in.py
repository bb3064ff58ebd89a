"""The grub drop-in, run by a real shell as grub-mkconfig would source it."""

from __future__ import annotations

import subprocess

import pytest

from guestprep.plan import guest_files


def _sourced(settings: str) -> str:
    script = f'{settings}\n{guest_files.drop_in(["ttyAMA0,115200", "tty1"])}\nprintf "%s|%s" ' + (
        '"$GRUB_CMDLINE_LINUX" "$GRUB_CMDLINE_LINUX_DEFAULT"'
    )
    return subprocess.run(
        ["sh", "-eu", "-c", script], check=True, capture_output=True, text=True
    ).stdout


@pytest.mark.parametrize(
    ("settings", "linux", "default"),
    [
        ("GRUB_CMDLINE_LINUX= GRUB_CMDLINE_LINUX_DEFAULT=", "", ""),
        (
            'GRUB_CMDLINE_LINUX="console=ttyS0 net.ifnames=0"\n'
            'GRUB_CMDLINE_LINUX_DEFAULT="console=tty1 console=ttyS0 quiet nomodeset x=*"',
            "net.ifnames=0",
            "quiet x=* ",
        ),
        ('GRUB_CMDLINE_LINUX="nofb" GRUB_CMDLINE_LINUX_DEFAULT="a=\\"b\\""', "", 'a="b" '),
    ],
)
def test_it_keeps_other_options(settings: str, linux: str, default: str) -> None:
    assert _sourced(settings) == f"{linux}|{default}console=ttyAMA0,115200 console=tty1"


def test_its_name_sorts_last() -> None:
    assert guest_files.drop_in_name(["50-cloudimg-settings.cfg"]) == "99-kollarm.cfg"
    assert guest_files.drop_in_name(["99-zzz.cfg", "99-kollarm.cfg"]) == "zz-kollarm.cfg"
