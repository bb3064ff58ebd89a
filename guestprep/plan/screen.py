"""What else a screen needs: a login prompt on it, and keys."""

from __future__ import annotations

from collections.abc import Iterator

from guestprep.facts import GuestFacts
from guestprep.plan.model import CleanStep, PlanItem

#: What keeps systemd from starting login prompts on consoles (systemd-getty-generator(8)).
_NO_GETTY = tuple(f"systemd.getty_auto={value}" for value in ("0", "no", "false", "off"))


def login_prompt(facts: GuestFacts) -> list[PlanItem]:
    """The screen's login prompt."""
    if not facts.getty_masks:
        return []
    reason = "masked units keep systemd from starting a login prompt on the screen"
    return [CleanStep(reason, "masks of the login prompt on tty1", facts.getty_masks)]


def warnings(facts: GuestFacts) -> Iterator[str]:
    """What keeps a guest's consoles from being used, or makes them too easy to use."""
    if facts.systemd and not facts.getty_enabled:
        yield (
            "nothing starts a login prompt on the screen: run systemctl enable getty@tty1 in the "
            "image"
        )
    if facts.getty_autologin:
        yield (
            "the screen's login prompt logs in by itself: whoever may open a guest's console "
            "in the cloud needs no password"
        )
    for entry in facts.entries:
        off = [word for word in entry.words if word in _NO_GETTY]
        if off and not entry.rescue:
            yield f"{off[0]} in “{entry.title}”: there is no login prompt on the serial console"
    for kernel in facts.booted:
        if kernel.drm and kernel.keyboard_lacks:
            yield (
                f"kernel {kernel.version} has no {', '.join(kernel.keyboard_lacks)}: what is typed "
                "on the VNC console may not reach the guest"
            )
