"""Booting an image and watching its screen and its serial console."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from core import progress, side_by_side
from core.errors import CommandError, KollarmError
from core.run import end
from core.sockets import socket_folder
from guestprep.boot import machine
from guestprep.boot.machine import SERIAL, SERIAL_SIZE, Accelerator, Firmware, VirtualMachine
from guestprep.boot.report import BootReport, Sighting
from guestprep.boot.screen import ScreenReader, save
from guestprep.boot.states import BootState, from_screen, from_serial, plain
from guestprep.qemu_monitor import Monitor
from guestprep.source import disk_facts

#: Seconds between two looks.
INTERVAL = 2.0

#: Seconds that the screen has, once the serial console shows a login prompt, to show
#: anything at all; a screen that works has long shown kernel messages by then.
SCREEN_GRACE = 20.0

#: The same for a screen that does show something, to show a login prompt too.
PROMPT_GRACE = 120.0

#: Seconds that the serial console has to follow a screen with a login prompt.
SERIAL_GRACE = 20.0

#: Seconds after which a prompt that messages were written over is asked for again.
FRESH = 10.0

#: Seconds a machine that is stuck is still watched, so that its screen shows why.
STUCK_GRACE = 6.0

#: Bytes of QEMU's own messages that an error shows.
LOG_HEAD = 16 * 1024

#: Bytes that a guest may write to its disk, which are thrown away; a first start of a system with
#: a large disk writes less than one GiB.
WRITES = 8 << 30

#: Runs a command (behind the id of this process) that the kernel kills when the thread that
#: started it is gone (prctl(2)). No preexec_fn: an interruption that arrives while Python's
#: own hooks around a fork run is lost without a trace. No file of it may grow beyond a limit (in
#: blocks of 512 bytes); a guest that goes on writing to its disk then gets errors.
_TIED = (
    *("setpriv", "--pdeathsig", "KILL"),
    *("sh", "-c", '[ "$PPID" = "$1" ] || exit 1; shift; trap "" XFSZ; '
      f'ulimit -f {WRITES // 512}; exec "$@"', "sh"),
)  # fmt: skip


@dataclass
class BootWatch:
    """What was seen so far, and the verdict; times are seconds after power-on."""

    timeout: float
    screen: BootState = BootState.UNKNOWN
    serial: BootState = BootState.UNKNOWN
    sightings: list[Sighting] = field(default_factory=list)
    _screen_login: float | None = None
    _serial_login: float | None = None
    _stuck: float | None = None
    _pressed: float = 0.0

    def see(self, now: float, screen: BootState, serial: BootState) -> None:
        """Note the states that the two consoles show."""
        for source, state, before in (
            ("serial", serial, self.serial),
            ("screen", screen, self.screen),
        ):
            if state is not before:
                self.sightings.append(Sighting(round(now, 1), source, state))
        self.screen, self.serial = screen, serial
        prompt = BootState.LOGIN_PROMPT
        self._screen_login = _since(screen is prompt, self._screen_login, now)
        self._serial_login = _since(serial is prompt, self._serial_login, now)
        self._stuck = _since(screen.stuck or serial.stuck, self._stuck, now)

    def wants_return(self, now: float) -> bool:
        """Whether to press Return now for a fresh prompt, as a person would.

        Late messages, such as cloud-init's of host keys, are written over the prompt; when
        the serial console had one, the screen must have had one too. The answer is yes once
        in :data:`FRESH` seconds at most.
        """
        if self._serial_login is None or self.screen in (
            BootState.LOGIN_PROMPT,
            BootState.DISPLAY_NOT_ACTIVE,
        ):
            return False
        if now - max(self._serial_login, self._pressed) < FRESH:
            return False
        self._pressed = now
        return True

    def verdict(self, now: float) -> BootState | None:
        """The state that ends the watch, or None to go on."""
        if self._screen_login is not None:
            followed = self._serial_login is not None
            late = now - self._screen_login >= SERIAL_GRACE or now >= self.timeout
            return self.screen if followed or late else None
        if self._stuck is not None and now - self._stuck >= STUCK_GRACE:
            # The screen may show the menu or prompt that follows a refusal, and no more.
            clear = self.screen.stuck and not self.serial.refusal
            return self.screen if clear else self.serial
        if self._serial_login is not None:
            waited = now - self._serial_login
            dark = self.screen is BootState.DISPLAY_NOT_ACTIVE
            if waited >= (SCREEN_GRACE if dark else PROMPT_GRACE):
                return self.screen
        if now >= self.timeout:
            return self.screen
        return None


def _since(holds: bool, since: float | None, now: float) -> float | None:
    """When a condition that holds began to hold; None while it doesn't."""
    return (now if since is None else since) if holds else None


def boot(
    image: Path,
    *,
    timeout: float = 900.0,
    screenshot: Path | None = None,
    firmware: Firmware | None = None,
) -> BootReport:
    """Start an image the way Nova would, and watch it until the verdict is clear.

    The image is never written to. The boot passes when the screen shows a login prompt.

    :param timeout: seconds after which the boot has failed, whatever it shows.
    :param screenshot: where the last screen is kept, as PNG.
    :param firmware: default: what this machine has.
    :raises UnusableInput: the file is not a complete disk image.
    :raises KollarmError: QEMU, its firmware or the text recognition is missing,
        or QEMU ended by itself.
    """
    machine.find_tools()
    firmware = firmware or machine.find_firmware()
    disk = disk_facts(image)
    chosen = machine.choose_accelerator(firmware)
    guest = partial(VirtualMachine, Path(disk.path), disk.format, firmware, chosen)
    processor = machine.PROCESSOR
    while True:
        with (
            progress.current().step(f"boot {image.name} ({chosen.upper()})") as step,
            socket_folder("kollarm-boot-") as folder,
        ):
            report = _boot(guest(folder, processor), timeout, step)
            if screenshot is not None:
                save(folder / "screen.png", screenshot)
            step.note(report.state)
        if not _wants_other_pages(report, processor):
            return report
        processor = machine.PROCESSOR_16K


def _wants_other_pages(report: BootReport, processor: str) -> bool:
    """Whether the kernel is one for pages that the emulated processor lacks, and another has."""
    return (
        report.state is BootState.PAGE_SIZE
        and report.accelerator == Accelerator.TCG
        and processor != machine.PROCESSOR_16K
        and machine.has_processor(machine.PROCESSOR_16K)
    )


def _boot(guest: VirtualMachine, timeout: float, step: progress.RunningStep) -> BootReport:
    with running(guest) as process, closing(Monitor(guest.monitor)) as monitor:
        return _watch(guest, process, monitor, BootWatch(timeout), step)


def _watch(
    guest: VirtualMachine,
    process: subprocess.Popen[bytes],
    monitor: Monitor,
    watch: BootWatch,
    step: progress.RunningStep,
) -> BootReport:
    reader = ScreenReader()
    picture = guest.folder / "screen.png"
    printed = b""
    started = time.monotonic()
    while True:
        looked = time.monotonic()
        _check_alive(process, guest)
        try:
            off = monitor.turned_off()  # asked first: what it printed before is read below
            monitor.screenshot(picture)
            printed = (printed + monitor.printed(SERIAL, SERIAL_SIZE))[-SERIAL_SIZE:]
        except KollarmError:
            _check_alive(process, guest)
            raise
        serial_text = plain(printed)
        serial_lines = serial_text.strip().splitlines()
        if off:
            raise KollarmError(
                f"{guest.image.name}: the machine turned itself off",
                details="\n".join(serial_lines[-5:]) or None,
            )
        screen_text = reader.read(picture)
        now = time.monotonic() - started
        watch.see(now, from_screen(screen_text), from_serial(serial_text))
        step.note(f"screen: {watch.screen}, serial: {watch.serial}")
        verdict = watch.verdict(now)
        if verdict is not None:
            return BootReport(
                passed=verdict is BootState.LOGIN_PROMPT,
                state=verdict,
                serial_state=watch.serial,
                seconds=round(now, 1),
                timed_out=now >= watch.timeout and verdict is not BootState.LOGIN_PROMPT,
                accelerator=guest.accelerator,
                sightings=tuple(watch.sightings),
                screen_text=screen_text.strip(),
                serial_tail="\n".join(serial_lines[-15:]),
            )
        if watch.wants_return(now):
            monitor.press("ret")
        time.sleep(pause(INTERVAL, time.monotonic() - looked))


def pause(interval: float, took: float) -> float:
    """Seconds until the next look, so that looks begin *interval* seconds apart.

    Reading a screen's text takes a processor that an emulated guest on the same machine needs:
    never more than half of the time is spent so, however busy the machine.

    :param took: seconds that the last look took.
    """
    return max(interval - took, took)


@contextmanager
def running(guest: VirtualMachine) -> Iterator[subprocess.Popen[bytes]]:
    """QEMU, for as long as the block runs; it ends with this process, however that ends."""
    with (guest.folder / "qemu.log").open("wb") as log:
        process = subprocess.Popen(
            [*_TIED, str(os.getpid()), *guest.command()],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        with side_by_side.running(lambda: end(process, grace=3.0)):
            _wait_for_monitor(process, guest)
            yield process
    finally:
        end(process, grace=3.0)


def _wait_for_monitor(process: subprocess.Popen[bytes], guest: VirtualMachine) -> None:
    while not guest.monitor.exists():
        _check_alive(process, guest)
        time.sleep(0.05)


def _check_alive(process: subprocess.Popen[bytes], guest: VirtualMachine) -> None:
    status = process.poll()
    if status is None:
        return
    with (guest.folder / "qemu.log").open("rb") as log:
        output = log.read(LOG_HEAD).decode("utf-8", "replace")
    raise CommandError(guest.command(), status, output, reason=f"QEMU ended with status {status}")
