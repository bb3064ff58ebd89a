"""The files that kollarm puts into a guest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from guestprep.facts import InitramfsKind
from guestprep.parse.grub import BLANKING, sorts_last
from guestprep.target import DRIVER

MODULES_LOAD = "/etc/modules-load.d/kollarm.conf"
INITRAMFS_HOOK = "/etc/initramfs-tools/hooks/kollarm"
GRUB_SETTINGS = "/etc/default/grub"
KERNEL_CMDLINE = "/etc/kernel/cmdline"
#: Has a guest with SELinux give every file its label at the next start (selinux(8)).
RELABEL = "/.autorelabel"
DRACUT_CONF = "/etc/dracut.conf.d/99-kollarm.conf"

_WRITTEN = f"# Written by kollarm: the guest's screen (VNC console) needs {DRIVER}.\n"


def modules_load() -> str:
    """For systemd-modules-load: effective also when a boot goes without an initramfs."""
    return _WRITTEN + DRIVER.replace("_", "-") + "\n"


def hook(tools: InitramfsKind) -> tuple[str, str, int] | None:
    """Path, content and mode of what keeps the module in every later initramfs."""
    if tools is InitramfsKind.INITRAMFS_TOOLS:
        text = (
            "#!/bin/sh\n"
            + _WRITTEN
            + 'case "$1" in prereqs) exit 0 ;; esac\n'
            + ". /usr/share/initramfs-tools/hook-functions\n"
            + f"force_load {DRIVER}\n"
        )
        return INITRAMFS_HOOK, text, 0o755
    if tools is InitramfsKind.DRACUT:
        return DRACUT_CONF, _WRITTEN + f'force_drivers+=" {DRIVER} "\n', 0o644
    return None


def has_drop_ins(config: str) -> bool:
    """Whether what makes this menu reads /etc/default/grub.d, as Debian's does."""
    return config.startswith("/boot/grub/")


def drop_in_name(names: Iterable[str]) -> str:
    """A name for the grub drop-in that sorts behind all others."""
    others = list(names)
    for name in ("99-kollarm.cfg", "zz-kollarm.cfg", "zzzz-kollarm.cfg"):
        if sorts_last(others, name):
            return name
    return "~kollarm.cfg"  # behind every letter in the C locale


def drop_in(consoles: Sequence[str]) -> str:
    """The grub drop-in: the requested consoles, behind whatever other options there are.

    grub-mkconfig sources it (POSIX shell) after /etc/default/grub and the other drop-ins, so
    it takes their values and changes only the words it is about.
    """
    blanking = "|".join(BLANKING)
    words = " ".join(f"console={console}" for console in consoles)
    return f"""\
{_WRITTEN}# It sorts last, so that it sees what the other files have set, and keeps it: only
# consoles and what keeps the screen black are taken out, then the consoles are added.
kollarm_without_consoles() {{
    set -f
    kollarm_words=
    for kollarm_word in $1; do
        case "$kollarm_word" in
            console=*|{blanking}) ;;
            *) kollarm_words="$kollarm_words${{kollarm_words:+ }}$kollarm_word" ;;
        esac
    done
    set +f
}}
kollarm_without_consoles "$GRUB_CMDLINE_LINUX"
GRUB_CMDLINE_LINUX="$kollarm_words"
kollarm_without_consoles "$GRUB_CMDLINE_LINUX_DEFAULT"
GRUB_CMDLINE_LINUX_DEFAULT="$kollarm_words${{kollarm_words:+ }}{words}"
"""
