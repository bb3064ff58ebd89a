"""A login prompt on the screen, and a kernel that can show it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from guestprep.facts import DriverLocation, GuestFacts
from guestprep.plan.make import make_plan
from guestprep.plan.model import CleanStep
from guestprep.plan.preconditions import Obstacle, find_obstacles
from guestprep.spec import PreparationPart, PreparationSpec
from tests.support.guest_facts import PREPARED, STATUS, StubArchive, a_kernel, a_menu

MASK = "/etc/systemd/system/getty@tty1.service"


def warnings(facts: GuestFacts) -> str:
    return " ".join(make_plan(facts, STATUS, PreparationSpec(), StubArchive()).warnings)


def test_a_masked_login_prompt_is_unmasked() -> None:
    plan = make_plan(
        replace(PREPARED, getty_masks=(MASK,)), STATUS, PreparationSpec(), StubArchive()
    )
    (step,) = plan.steps_of(CleanStep)
    assert step.remove == (MASK,)


@pytest.mark.parametrize(
    ("facts", "word"),
    [
        (replace(PREPARED, systemd=True, getty_enabled=False), "getty@tty1"),
        (replace(PREPARED, getty_autologin=True), "password"),
        (replace(PREPARED, grub=a_menu("ro", "systemd.getty_auto=0")), "systemd.getty_auto=0"),
        (
            replace(PREPARED, kernels=(replace(PREPARED.kernels[0], keyboard_lacks=("usbhid",)),)),
            "usbhid",
        ),
    ],
)
def test_what_makes_a_screen_useless_is_told(facts: GuestFacts, word: str) -> None:
    assert word in warnings(facts)


def test_nothing_is_told_of_a_usual_image() -> None:
    assert not warnings(replace(PREPARED, systemd=True))


def test_a_kernel_without_a_framebuffer_console() -> None:
    kernel = replace(
        a_kernel(gpu=DriverLocation.MODULE, needs=("virtio-gpu.ko",)),
        screen_lacks=("CONFIG_DRM_FBDEV_EMULATION",),
    )
    facts = replace(PREPARED, kernels=(kernel,))
    ((obstacle, sentence),) = find_obstacles(facts, PreparationSpec())
    assert obstacle is Obstacle.NO_SCREEN and "FBDEV" in sentence
    assert not list(find_obstacles(facts, PreparationSpec(parts=(PreparationPart.CLEAN,))))
    # A kernel without any graphics is replaced instead.
    cloud = replace(facts, kernels=(replace(kernel, drm=False),))
    assert not list(find_obstacles(cloud, PreparationSpec()))
