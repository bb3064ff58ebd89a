"""What state a machine is in, read from its screen's text or its serial console."""

from __future__ import annotations

import re
from enum import StrEnum

from core.text_output import HARMFUL


class BootState(StrEnum):
    """How far a machine has come."""

    DISPLAY_NOT_ACTIVE = "display not active"
    FIRMWARE = "firmware"
    FIRMWARE_SHELL = "firmware shell"
    FIRMWARE_MENU = "firmware menu"
    FIRMWARE_EXCEPTION = "firmware exception"
    SECURE_BOOT = "refused by secure boot"
    PAGE_SIZE = "page size not supported"
    GRUB = "grub"
    GRUB_PROMPT = "grub prompt"
    BOOTING = "booting"
    KERNEL_PANIC = "kernel panic"
    INITRAMFS_SHELL = "initramfs shell"
    EMERGENCY_MODE = "emergency mode"
    LOGIN_PROMPT = "login prompt"
    UNKNOWN = "unknown"

    @property
    def stuck(self) -> bool:
        """Whether nothing more will come of it without a person."""
        return self in _STUCK

    @property
    def refusal(self) -> bool:
        """Whether it says why firmware, loader or kernel went no further."""
        return self in _REFUSALS

    @property
    def before_kernel(self) -> bool:
        """Whether no kernel runs yet."""
        return self in _BEFORE_KERNEL

    @property
    def meaning(self) -> str:
        """What it says about the image, for a person."""
        return _MEANINGS[self]

    @property
    def remedy(self) -> str | None:
        """What to do about it, where that is known."""
        return _REMEDIES.get(self)


_STUCK = frozenset(
    {
        BootState.FIRMWARE_SHELL,
        BootState.FIRMWARE_MENU,
        BootState.FIRMWARE_EXCEPTION,
        BootState.SECURE_BOOT,
        BootState.PAGE_SIZE,
        BootState.GRUB_PROMPT,
        BootState.KERNEL_PANIC,
        BootState.INITRAMFS_SHELL,
        BootState.EMERGENCY_MODE,
    }
)

_BEFORE_KERNEL = frozenset(
    {
        BootState.FIRMWARE,
        BootState.FIRMWARE_SHELL,
        BootState.FIRMWARE_MENU,
        BootState.FIRMWARE_EXCEPTION,
        BootState.SECURE_BOOT,
        BootState.PAGE_SIZE,
        BootState.GRUB,
        BootState.GRUB_PROMPT,
    }
)

_MEANINGS = {
    BootState.DISPLAY_NOT_ACTIVE: "the display is not active: no graphics driver has taken it over",
    BootState.FIRMWARE: "the firmware is still running",
    BootState.FIRMWARE_SHELL: "the firmware found nothing to boot",
    BootState.FIRMWARE_MENU: "the firmware found nothing to boot",
    BootState.FIRMWARE_EXCEPTION: "the boot loader crashed in the firmware",
    BootState.SECURE_BOOT: "Secure Boot refused the boot loader or the kernel",
    BootState.PAGE_SIZE: "the processor doesn't have the memory pages that the kernel is built for",
    BootState.GRUB: "the boot loader is still running",
    BootState.GRUB_PROMPT: "the boot loader found no configuration",
    BootState.BOOTING: "the kernel or the system is still starting",
    BootState.KERNEL_PANIC: "the kernel panicked",
    BootState.INITRAMFS_SHELL: "the initramfs did not find the root file system",
    BootState.EMERGENCY_MODE: "the system stopped in emergency mode",
    BootState.LOGIN_PROMPT: "the screen shows a login prompt",
    BootState.UNKNOWN: "the screen shows nothing recognisable",
}

_REMEDIES = {
    BootState.FIRMWARE_EXCEPTION: "old boot loaders crash in new firmware: update shim and GRUB in "
    "the image (shim-signed, grub-efi-arm64-signed), or use the firmware of an older release",
    BootState.SECURE_BOOT: "the image's shim, GRUB and kernel must be signed by a key of the "
    "firmware; without Secure Boot: --property os_secure_boot=disabled, or firmware without keys",
    BootState.PAGE_SIZE: "install the kernel for pages of 4 KiB (linux-image-generic, "
    "linux-image-arm64), or start it on hosts whose processor has such pages",
    BootState.INITRAMFS_SHELL: "does root= of the kernel's command line name a file system of this "
    "disk, and has the initramfs the driver of its bus (virtio_scsi)?",
    BootState.EMERGENCY_MODE: "does /etc/fstab name a file system that isn't there? nofail lets "
    "the system start without it",
}

# Optical recognition takes l, i, I, 1 and | for each other, and o for 0.
_L, _O = "[lI1|]", "[oO0]"
#: A prompt at the end of its line, or with a kernel message ("[   70.419916] …") behind it: the
#: kernel starts a new line only after its own messages.
_LOGIN = re.compile(
    rf"\b{_L}{_O}g[i{_L[1:-1]}]n\s?[:;]([\W_]{{0,3}}$|[\W_]{{0,3}}[\[({_L[1:-1]}C]?\s*\d+\.\d{{4,}})",
    re.IGNORECASE,
)

#: The latest of these in a console's text is the state it is in.
_SIGNS = (
    (BootState.FIRMWARE, r"UEFI firmware|BdsDxe|EDK II|Tiano ?[Cc]ore|Start boot option"),
    (
        BootState.FIRMWARE_SHELL,
        # Its banner goes on with words of the firmware's own; its prompt is read as "Shel 1>", too.
        rf"UEFI Interactive Shell|to skip startup|^She ?{_L} ?{_L} ?> *[\W_]?$",
    ),
    (BootState.FIRMWARE_MENU, r"enter the Boot Manager|Boot Maintenance Manager"),
    # ArmPkg/Library/DefaultExceptionHandlerLib of EDK II
    (BootState.FIRMWARE_EXCEPTION, r"(S.nchr.n.us|SErr.r|IRQ|FIQ) Except[il1]on at"),
    (
        BootState.SECURE_BOOT,
        # EDK II's boot manager, shim, and GRUB with shim. The firmware's own shell is refused, too,
        # where nothing else is there to start.
        r"failed to (load|start) Boot[0-9A-F]{4}(?!\W+EFI Internal)((?!BdsDxe)[\s\S]){0,200}?"
        r"(Access\s+Denied|Security\s+Violation)"
        r"|Verification failed: .{0,12}Security Violation"
        r"|^error: .{0,80}(bad shim signature|invalid signature|prohibited by secure boot)",
    ),
    # drivers/firmware/efi/libstub/arm64.c of Linux
    (BootState.PAGE_SIZE, r"\b\d+ ?KB granular kernel is not supported"),
    (BootState.GRUB, r"GNU GRUB|Welcome to GRUB|Loading Linux|Loading initial ramdisk"),
    (BootState.GRUB_PROMPT, r"^grub( rescue)?> *[\W_]?$"),
    (
        BootState.BOOTING,
        r"EFI stub:|Booting Linux on|\[ *\d+\.\d{6}\]|^\W*\[? *OK *\]? +\w|systemd\[",
    ),
    (BootState.KERNEL_PANIC, r"Kernel panic|end Kernel panic"),
    (
        BootState.INITRAMFS_SHELL,
        r"^ *\(initramfs\) *[\W_]?$|Dropping to a shell|ALERT! .* does not exist"
        # systemd in dracut's initramfs, which waits for the root's device without a limit: minutes
        # are more than any device takes
        r"|[Jj]ob (dev\W|.{0,20}/dev/).*\(([3-9]|\d\d)min .{0,10}no .{4,6}\)"
        # dracut
        r"|rdsosreport|Entering emergency mode\. Exit the shell|^ *dracut:/\S* ?[#$] *[\W_]?$",
    ),
    (
        BootState.EMERGENCY_MODE,
        r"(You are in|Welcome to) (emergency|rescue) mode|Cannot open access to console"
        r"|for (system )?maintenance",
    ),
)
#: How a firmware ends that found nothing to boot.
_UNBOOTABLE = (BootState.FIRMWARE_MENU, BootState.FIRMWARE_SHELL)
#: Why firmware, loader or kernel went no further: it says more than the menus and prompts after it.
_REFUSALS = (BootState.FIRMWARE_EXCEPTION, BootState.SECURE_BOOT, BootState.PAGE_SIZE)
#: With what a firmware begins.
_BANNER = re.compile(r"UEFI firmware \(version")
_PATTERNS = {state: re.compile(pattern, re.MULTILINE) for state, pattern in _SIGNS}

#: A prompt of getty's on a serial console, where its letters are certain.
_SERIAL_LOGIN = re.compile(r"^(?!Last )[\w.-]+ login:(?= |$)", re.MULTILINE)

#: What a machine shows that has left its system and starts again.
_STARTS_AGAIN = re.compile(
    "|".join(
        [
            *(sign for state, sign in _SIGNS if state.before_kernel and not state.refusal),
            r"EFI stub:|\[ *0\.0{4,}\]",
        ]
    ),
    re.MULTILINE,
)

#: Which states hold although more text follows (kernel messages after a panic).
_LASTING = (BootState.KERNEL_PANIC, BootState.EMERGENCY_MODE, BootState.INITRAMFS_SHELL)

#: Terminal control: CSI and other escape sequences (ECMA-48), and bare control characters.
_CONTROL = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[()][0-9A-Z]|\x1b[@-Z\\-_78=>]|[\x00-\x08\x0e-\x1f]"
)

#: What is left of CSI sequences without their escape characters: "[0;32m", "[2J", "[=3h", "[K".
_REMAINS = re.compile(r"\[(?:[=?]?\d{1,3}(?:;\d{1,3})*[A-HJKSTfhlmsu]|[JKm](?!\w*\]))")


def plain(raw: bytes) -> str:
    """A serial console's bytes as text, without terminal control."""
    text = _CONTROL.sub("", raw.decode("utf-8", "replace"))
    return HARMFUL.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def plain_of_nova(text: str) -> str:
    """A serial console's text as Nova's API gives it, without terminal control.

    Nova leaves out the control characters alone, escape and carriage return among them
    (nova/api/openstack/compute/console_output.py); what they introduced stays.
    """
    return _REMAINS.sub("", plain(text.encode()))


def from_serial(text: str) -> BootState:
    """The state that a serial console's text (see :func:`plain`) shows.

    The text is a history: after its login prompt a machine is there, whatever cloud-init and the
    kernel say behind it, until it starts again.
    """
    state = _latest(text)
    if state in _LASTING:
        return state
    prompts = [found.end() for found in _SERIAL_LOGIN.finditer(text)]
    if prompts and not _STARTS_AGAIN.search(text, prompts[-1]):
        return BootState.LOGIN_PROMPT
    return state


def from_screen(text: str) -> BootState:
    """The state that a screen's text, as optical recognition reads it, shows."""
    if re.search(r"[Dd]isp[lI1]ay [o0]utput [il1]s n[o0]t act[il1]ve", text):
        return BootState.DISPLAY_NOT_ACTIVE
    if re.search(r"[Gg]uest has n[o0]t [il1]n[il1]t[il1]a[lI1][il1]zed the d[il1]sp[lI1]ay", text):
        return BootState.DISPLAY_NOT_ACTIVE
    state = _latest(text)
    if state is BootState.FIRMWARE:
        # Its progress bar stays at the foot of the screen, below what it ended with.
        return next((end for end in _UNBOOTABLE if _PATTERNS[end].search(text)), state)
    return state


def _latest(text: str) -> BootState:
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    places = {
        state: found[-1].end()
        for state, pattern in _PATTERNS.items()
        if (found := list(pattern.finditer(text)))
    }
    best = max(places, key=places.__getitem__, default=BootState.UNKNOWN)
    if best.before_kernel:
        start = max((found.end() for found in _BANNER.finditer(text)), default=-1)
        best = next((state for state in _REFUSALS if places.get(state, -1) > start), best)
    for state in _LASTING:
        # A machine that started again after its panic has firmware text after it.
        if state in places and places[state] > places.get(BootState.FIRMWARE, -1):
            best = state
    # Kernel messages may come after the prompt: the last lines count, not the last alone.
    if any(_LOGIN.search(line) for line in lines[-8:]) and best not in _LASTING:
        return BootState.LOGIN_PROMPT
    return best
