"""When a watch ends, and how."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import KollarmError, UnusableInput
from guestprep.boot.report import BootReport, Sighting
from guestprep.boot.states import BootState
from guestprep.boot.watch import (
    FRESH,
    PROMPT_GRACE,
    SCREEN_GRACE,
    SERIAL_GRACE,
    STUCK_GRACE,
    BootWatch,
    boot,
    pause,
)

DARK, LOGIN, BOOTING = BootState.DISPLAY_NOT_ACTIVE, BootState.LOGIN_PROMPT, BootState.BOOTING


def test_a_login_prompt_passes_when_it_is_on_both_consoles() -> None:
    watch = BootWatch(timeout=900)
    watch.see(10, BOOTING, BOOTING)
    assert watch.verdict(10) is None
    watch.see(60, LOGIN, BOOTING)
    assert watch.verdict(60) is None
    watch.see(62, LOGIN, LOGIN)
    assert watch.verdict(62) is LOGIN


def test_a_silent_serial_console_is_not_waited_for_long() -> None:
    watch = BootWatch(timeout=900)
    watch.see(60, LOGIN, BOOTING)
    assert watch.verdict(60 + SERIAL_GRACE - 1) is None
    assert watch.verdict(60 + SERIAL_GRACE) is LOGIN
    late = BootWatch(timeout=61)
    late.see(60, LOGIN, BOOTING)
    assert late.verdict(61) is LOGIN


def test_a_dark_display_fails_soon_after_the_serial_login() -> None:
    watch = BootWatch(timeout=900)
    watch.see(60, DARK, LOGIN)
    assert watch.verdict(60) is None
    watch.see(60 + SCREEN_GRACE, DARK, LOGIN)
    assert watch.verdict(60 + SCREEN_GRACE) is DARK


def test_a_lit_display_gets_longer() -> None:
    watch = BootWatch(timeout=900)
    watch.see(60, BOOTING, LOGIN)
    assert watch.verdict(60 + SCREEN_GRACE) is None
    assert watch.verdict(60 + PROMPT_GRACE) is BOOTING


@pytest.mark.parametrize("source", ["screen", "serial"])
def test_a_stuck_machine_ends_the_watch(source: str) -> None:
    watch = BootWatch(timeout=900)
    panic = BootState.KERNEL_PANIC
    screen, serial = (panic, BOOTING) if source == "screen" else (DARK, panic)
    watch.see(20, screen, serial)
    assert watch.verdict(20) is None
    assert watch.verdict(20 + STUCK_GRACE) is panic


@pytest.mark.parametrize("refusal", [state for state in BootState if state.refusal])
def test_a_refusal_says_more_than_the_shell_behind_it(refusal: BootState) -> None:
    watch = BootWatch(timeout=900)
    watch.see(20, BootState.FIRMWARE_SHELL, refusal)
    assert watch.verdict(20 + STUCK_GRACE) is refusal
    watch.see(40, refusal, BootState.FIRMWARE_SHELL)
    assert watch.verdict(40 + STUCK_GRACE) is refusal


def test_a_machine_that_goes_on_isnt_stuck() -> None:
    watch = BootWatch(timeout=900)
    watch.see(20, BootState.FIRMWARE_SHELL, BOOTING)
    watch.see(22, BOOTING, BOOTING)
    assert watch.verdict(20 + STUCK_GRACE) is None


def test_an_overwritten_prompt_is_asked_for_again() -> None:
    watch = BootWatch(timeout=900)
    assert not watch.wants_return(99)
    # No key before the system is up: the firmware and GRUB would take it.
    watch.see(5, BootState.GRUB, BootState.BOOTING)
    assert not watch.wants_return(5 + 2 * FRESH)
    watch.see(50, BootState.BOOTING, BootState.LOGIN_PROMPT)
    assert [watch.wants_return(50 + after) for after in (0, FRESH - 1, FRESH, FRESH + 1)] == [
        False,
        False,
        True,
        False,
    ]
    watch.see(60, BootState.UNKNOWN, BootState.LOGIN_PROMPT)
    assert watch.wants_return(50 + 2 * FRESH)


@pytest.mark.parametrize("screen", [BootState.LOGIN_PROMPT, BootState.DISPLAY_NOT_ACTIVE])
def test_no_prompt_is_asked_for_where_one_is_or_none_can_be(screen: BootState) -> None:
    watch = BootWatch(timeout=900)
    watch.see(50, screen, BootState.LOGIN_PROMPT)
    assert not watch.wants_return(50 + FRESH)


def test_the_time_limit_ends_it() -> None:
    watch = BootWatch(timeout=30)
    watch.see(31, BootState.GRUB, BootState.GRUB)
    assert watch.verdict(31) is BootState.GRUB


def test_sightings_are_changes_only() -> None:
    watch = BootWatch(timeout=30)
    for now in (1, 2, 3):
        watch.see(now, DARK, BOOTING)
    watch.see(4, DARK, LOGIN)
    assert watch.sightings == [
        Sighting(1, "serial", BOOTING),
        Sighting(1, "screen", DARK),
        Sighting(4, "serial", LOGIN),
    ]


def test_report_survives_json() -> None:
    report = BootReport(
        passed=False,
        state=DARK,
        serial_state=LOGIN,
        seconds=81.2,
        timed_out=False,
        accelerator="tcg",
        sightings=(Sighting(1.0, "screen", DARK),),
        screen_text="Display output is not active.",
        serial_tail="ubuntu login:",
    )
    assert BootReport.from_dict(report.to_dict()) == report
    assert "display is not active" in report.summary
    assert "serial console shows a login prompt" in report.summary
    assert "1.0 s  screen: display not active" in report.to_text()
    with pytest.raises(ValueError, match="BootReport"):
        BootReport.from_dict({"passed": True})


def test_unusable_images(tmp_path: Path) -> None:
    with pytest.raises(UnusableInput, match="no such file"):
        boot(tmp_path / "missing.qcow2")
    text = tmp_path / "text.img"
    text.write_text("no disk")
    with pytest.raises(UnusableInput, match="not a disk image"):
        boot(text)


def test_a_missing_program_has_a_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("guestprep.boot.machine.which", lambda command: None)
    with pytest.raises(KollarmError, match="qemu-system-aarch64 is not installed") as caught:
        boot(tmp_path / "any")
    assert "qemu-system-arm" in str(caught.value.hint)


@given(interval=st.floats(0.5, 10), took=st.floats(0.01, 300))
def test_looking_takes_half_of_the_time_at_most(interval: float, took: float) -> None:
    waited = pause(interval, took)
    assert waited >= took
    assert took + waited == pytest.approx(max(interval, 2 * took))
