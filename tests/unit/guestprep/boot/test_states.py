"""States recognised from the text of screens and serial consoles."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guestprep.boot.states import BootState, from_screen, from_serial, plain, plain_of_nova

PANIC = """\
[    3.1] VFS: Unable to mount root fs
[    3.200000] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)
[    3.300000] ---[ end Kernel panic - not syncing: VFS ]---
"""

#: cloud-init's last words, behind the prompt and after it.
CLOUD_INIT = (
    "ubuntu login: [  171.223329] cloud-init[348]: Cloud-init v. 25.1.4 running 'modules:final'\n"
    "ci-info: no authorized SSH keys fingerprints found for user ubuntu.\n"
    "<14>Nov 25 17:48:08 cloud-init: -----BEGIN SSH HOST KEY FINGERPRINTS-----\n"
    + "<14>Nov 25 17:48:08 cloud-init: 256 SHA256:OOrub9g3znazhG4ODepgPfFHgm root@u (ECDSA)\n" * 8
    + "[  175.896412] cloud-init[348]: +----[SHA256]-----+\n"
)


#: What EDK II writes on a screen, as it is read: with its shell, and with Secure Boot's keys.
SHELL = (
    "UEFI Interactive Shell v2.2\nEDK II\nUEFI v2.70 (EDK II, 0x00010000)\nMapping table\n\n"
    "BLKO: Alias (s) :\n\nPciRoot (0x0) /Pci (0x1,0x0) /Scsi (0x0, 0x0)\n\n"
)
COUNTDOWN = "Press ESC in 1 seconds to skip startup.nsh or any other key to continue.\n"
MENU = (
    "BdsDxe: No bootable option or device was found.\n"
    "BdsDxe: Press any key to enter the Boot Manager Menu.\n"
)
LOGO = "mae liano\n\n| | Open Platform Firmware Development\n\nStart boot option\n|"


STARTED = (
    "UEFI firmware (version  built at 13:10:49 on Nov  5 2024)\n"
    'BdsDxe: loading Boot0001 "UEFI QEMU QEMU HARDDISK " from PciRoot(0x0)/Pci(0x1,0x0)\n'
    'BdsDxe: starting Boot0001 "UEFI QEMU QEMU HARDDISK " from PciRoot(0x0)/Pci(0x1,0x0)\n'
)
DENIED = (
    'BdsDxe: failed to load Boot0001 "UEFI QEMU HARDDISK " from PciRoot(0x0)/Pci(0x1,0\n'
    "x0): Access Denied\n"
)
SHELL_DENIED = (
    'BdsDxe: starting Boot0002 "EFI Internal Shell" from Fv(64074AFE)/FvFile(7C04A583)\n'
    'BdsDxe: failed to start Boot0002 "EFI Internal Shell" from Fv(64074AFE): Security Violation\n'
)
#: dracut's words: with its own shell, and where the root account is locked.
DRACUT = (
    "[  190.1] dracut-initqueue[423]: Warning: dracut-initqueue timeout - starting scripts\n"
    'Generating "/run/initramfs/rdsosreport.txt"\n\n\n'
    "Entering emergency mode. Exit the shell to continue.\n"
    'Type "journalctl" to view system logs.\n'
)
LOCKED = "Cannot open access to console, the root account is locked.\nPress Enter to continue.\n"
#: systemd's, where a device has no limit, and where a service has none.
WAITING = (
    "[*     ] Job dev-disk-by\\x2dlabel-elsewhere.device/start running ({minutes}31s / no limit)\n"
)
OLDER_WAITING = (
    "[ ***  ] A start job is running for /dev/disk/by-label/elsewhere (12min 1s / no limit)\n"
)
#: As optical recognition reads it.
READ_WAITING = (
    "[ x] Job dev-disk\u2014by\\x2dlabel-elsewhere.device/start running (4min 16s 7 no limit)\n"
)
SERVICE = "[ ***  ] A start job is running for cloud-init.service (5min 1s / no limit)\n"
GRANULE = "EFI stub: ERROR: This 64 KB granular kernel is not supported by your CPU\n"
FORBIDDEN = "error: bad shim signature.\nerror: you need to load the kernel first.\n"

REFUSED = [
    (STARTED + "\nSynchronous Exception at 0x000000007C743000\n", BootState.FIRMWARE_EXCEPTION),
    (STARTED + "\nSError Exception at 0x000000007C743000\n", BootState.FIRMWARE_EXCEPTION),
    ("Sunchronous Exception at 0x000000007C743000\n" + LOGO, BootState.FIRMWARE_EXCEPTION),
    (STARTED + DENIED + SHELL_DENIED + MENU, BootState.SECURE_BOOT),
    (DENIED + MENU + LOGO, BootState.SECURE_BOOT),
    (STARTED + SHELL_DENIED + MENU, BootState.FIRMWARE_MENU),
    (STARTED + "Verification failed: (0x1A) Security Violation\n", BootState.SECURE_BOOT),
    (
        STARTED + "Welcome to GRUB!\n" + FORBIDDEN + "GNU GRUB  version 2.06\n",
        BootState.SECURE_BOOT,
    ),
    (STARTED + "EFI stub: Booting Linux Kernel...\n" + GRANULE, BootState.PAGE_SIZE),
    (GRANULE + "Press any key to continue...\nGNU GRUB  version 2.06\n", BootState.PAGE_SIZE),
    (GRANULE.replace("64 KB", "16KB"), BootState.PAGE_SIZE),
    # Another boot option, or another start, goes further.
    (STARTED + DENIED + "Welcome to GRUB!\n[    0.000000] Booting Linux\n", BootState.BOOTING),
    (STARTED + GRANULE + STARTED, BootState.FIRMWARE),
    (STARTED + "Synchronous Exception at 0x0\n" + STARTED, BootState.FIRMWARE),
    (DRACUT, BootState.INITRAMFS_SHELL),
    (DRACUT + "\ndracut:/# ", BootState.INITRAMFS_SHELL),
    (DRACUT + LOCKED, BootState.INITRAMFS_SHELL),
    ("dracut:/root# \n[  200.000001] random: crng init done\n", BootState.INITRAMFS_SHELL),
    (WAITING.format(minutes="4min "), BootState.INITRAMFS_SHELL),
    (OLDER_WAITING, BootState.INITRAMFS_SHELL),
    (READ_WAITING, BootState.INITRAMFS_SHELL),
    ("[  OK  ] Started x.\n" + WAITING.format(minutes=""), BootState.BOOTING),
    ("[  OK  ] Started x.\n" + WAITING.format(minutes="1min "), BootState.BOOTING),
    ("[  OK  ] Started x.\n" + SERVICE, BootState.BOOTING),
    (LOCKED, BootState.EMERGENCY_MODE),
    ("You are in rescue mode. After logging in, type ...\n", BootState.EMERGENCY_MODE),
]


@pytest.mark.parametrize(("text", "state"), REFUSED)
def test_what_stops_a_start_is_named(text: str, state: BootState) -> None:
    assert from_serial(text) is state
    assert from_screen(text) is state


def test_refusals_are_stuck_and_have_a_remedy() -> None:
    for state in (BootState.FIRMWARE_EXCEPTION, BootState.SECURE_BOOT, BootState.PAGE_SIZE):
        assert state.stuck and state.before_kernel and state.remedy


def test_words_of_a_running_system_are_no_refusal() -> None:
    prompt = "ubuntu login: "
    for words in ("Access Denied", "error: invalid signature", GRANULE):
        assert from_serial(f"{prompt}\n{words}\n") is BootState.LOGIN_PROMPT


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("", BootState.UNKNOWN),
        ("UEFI firmware (version 2022.11 built at 11:11)\n", BootState.FIRMWARE),
        ("BdsDxe: starting Boot0001 UEFI QEMU\nWelcome to GRUB!\n", BootState.GRUB),
        ("Welcome to GRUB!\nerror: no such device\ngrub rescue> ", BootState.GRUB_PROMPT),
        ("UEFI Interactive Shell v2.2\nShell> ", BootState.FIRMWARE_SHELL),
        (MENU, BootState.FIRMWARE_MENU),
        (MENU + "UEFI firmware (version 2022.11 built at 11:11)\n", BootState.FIRMWARE),
        ("EFI stub: Booting Linux Kernel...\n", BootState.BOOTING),
        ("[    0.000000] Booting Linux on physical CPU\n", BootState.BOOTING),
        ("[  OK  ] Reached target basic.target\n", BootState.BOOTING),
        (PANIC, BootState.KERNEL_PANIC),
        (PANIC + "[    9.000000] random: crng init done\n", BootState.KERNEL_PANIC),
        (PANIC + "UEFI firmware (version 1)\n", BootState.FIRMWARE),
        (
            "mount: No such device\nBusyBox v1.37\nEnter 'help'\n\n(initramfs) ",
            BootState.INITRAMFS_SHELL,
        ),
        (
            "You are in emergency mode. After logging in, type ...\n"
            "Press Enter for maintenance\n(or press Control-D to continue): ",
            BootState.EMERGENCY_MODE,
        ),
        (
            "[   50.000000] usbhid: USB HID core driver\n"
            "Press Enter for system maintenance\n"
            "(or press Control-D to continue): [   94.466184] sd 0:0:0:0: Attached sg0\n",
            BootState.EMERGENCY_MODE,
        ),
        ("Debian GNU/Linux 13 ubuntu ttyAMA0\n\nubuntu login: ", BootState.LOGIN_PROMPT),
        (
            "ubuntu login: \n[   60.123456] random: message after the prompt\n",
            BootState.LOGIN_PROMPT,
        ),
        (
            "ubuntu login: [   70.419916] hrtimer: interrupt took 37397392 ns\n",
            BootState.LOGIN_PROMPT,
        ),
        (CLOUD_INIT, BootState.LOGIN_PROMPT),
        (CLOUD_INIT + "Last login: Tue Nov 24 22:05:48 UTC 2026\n", BootState.LOGIN_PROMPT),
        (CLOUD_INIT + "BdsDxe: starting Boot0001 UEFI QEMU\n", BootState.FIRMWARE),
        (CLOUD_INIT + "[    0.000000] Booting Linux on physical CPU\n", BootState.BOOTING),
        (CLOUD_INIT + PANIC, BootState.KERNEL_PANIC),
        ("Last login: Tue Nov 24 22:05:48 UTC 2026\n", BootState.UNKNOWN),
        ("[    5.123456] systemd-logind.service: New seat seat0.\n", BootState.BOOTING),
        ("Starting systemd-logind.service - User Login Management...\n", BootState.UNKNOWN),
    ],
)
def test_serial(text: str, state: BootState) -> None:
    assert from_serial(text) is state


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("Display output is not active.\n", BootState.DISPLAY_NOT_ACTIVE),
        ("Display output 1s not actlve.", BootState.DISPLAY_NOT_ACTIVE),
        ("Guest has not initialized the display (yet).", BootState.DISPLAY_NOT_ACTIVE),
        ("ubuntu login:", BootState.LOGIN_PROMPT),
        ("ubuntu login: _", BootState.LOGIN_PROMPT),
        ("ubuntu 1ogin:", BootState.LOGIN_PROMPT),
        ("ubuntu log1n: ■", BootState.LOGIN_PROMPT),
        ("kollarm test image ubuntu ttyl\n\nubuntu login: |", BootState.LOGIN_PROMPT),
        ("Last login: never", BootState.UNKNOWN),
        ("Last login: Tue Nov 24 22:05:48 UTC 2026 from 10.0.0.1", BootState.UNKNOWN),
        ("ubuntu login: _[ 70.419916] hrtimer: interrupt took", BootState.LOGIN_PROMPT),
        ("TianoCore", BootState.FIRMWARE),
        ("Start boot option", BootState.FIRMWARE),
        (SHELL, BootState.FIRMWARE_SHELL),
        (SHELL + COUNTDOWN, BootState.FIRMWARE_SHELL),
        (SHELL + "Shel 1>\n", BootState.FIRMWARE_SHELL),
        (MENU + LOGO, BootState.FIRMWARE_MENU),
        ("(initramfs) _", BootState.INITRAMFS_SHELL),
    ],
)
def test_screen(text: str, state: BootState) -> None:
    assert from_screen(text) is state


#: What firmware, kernels, systemd and getty write to a terminal.
TERMINAL = (
    *(b"\x1b[2J", b"\x1b[01;01H", b"\x1b[=3h", b"\x1b[0;32m", b"\x1b[1m\x1b[33m", b"\x1b[0m"),
    *(b"\x1b[?25l", b"\x1b[K", b"\x1b[J ", b"\x1b[m\n", b"\x1b[0;1;39m", b"\r\n", b"\n", b" "),
    *(b"[    0.000000] Linux version", b"[  OK  ] Reached", b"ubuntu login: ", b"Shell> ", b"[m]"),
    *(b"grub> ", b"[1234.5678] x", b"[Key]", b"cloud-init[348]: ", b"[12]", b"[H]"),
)


def test_plain_removes_terminal_control() -> None:
    raw = b"\x1b[2J\x1b[01;01H\x1b[=3hBdsDxe\r\n\x1b[0;32m  OK  \x1b[0m\x1b(B done\x07\r\n"
    assert plain(raw) == "BdsDxe\n  OK   done\n"


@given(raw=st.lists(st.sampled_from(TERMINAL), max_size=30).map(b"".join))
def test_what_nova_leaves_out_changes_nothing(raw: bytes) -> None:
    """Nova's API takes out the control characters, and so breaks the sequences they introduce."""
    left = re.sub(r"[\x00-\x08\x0b-\x1f]", "", raw.decode())
    assert plain_of_nova(left) == plain(raw.replace(b"\r", b""))


def test_a_shell_is_seen_through_nova() -> None:
    raw = "Press ESC in 1 seconds\n[1m[33m[40mShell> [0m[37m[40m"
    assert from_serial(plain_of_nova(raw)) is BootState.FIRMWARE_SHELL


def test_every_state_has_a_meaning() -> None:
    assert all(state.meaning for state in BootState)
