"""The serial console of an instance, typed at through Nova's proxy for it.

Nova passes on a TCP connection to the machine's serial port, in both directions.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager

from guestprep.boot.states import BootState, from_serial, plain_of_nova
from guestprep.boot.watch import pause
from kollarm.console_proof.compute import Compute, InstanceFailed
from kollarm.console_proof.console import ProxyError, SerialConnection, serial_session
from kollarm.console_proof.diagnose import from_consoles, from_serial_proxy
from kollarm.console_proof.keyboard import WORD
from kollarm.console_proof.model import Diagnosis, ProofStage
from kollarm.console_proof.rfb import RfbError
from kollarm.console_proof.watch import INTERVAL, KEYS, ConsoleSighting, ProxiedConsole

#: What Return sends, and what deletes the line that was begun (termios: VKILL).
RETURN, KILL_LINE = "\r", "\x15"

#: Seconds between two words that are typed.
AGAIN = 10.0

#: Characters of what was read that are looked at, from the end.
_TAIL = 64 * 1024


class SerialView(ProxiedConsole[SerialConnection]):
    """An instance's serial console."""

    def __init__(self, compute: Compute, server_id: str):
        super().__init__(compute, server_id, "serial")
        self.text = ""
        """What came since the first connection."""

    def exchange(self, send: str = "") -> None:
        """Send something, and read what has come.

        :raises InstanceFailed: the proxy can't be reached.
        """

        def read(stream: SerialConnection) -> bytes:
            if send:
                stream.write(send.encode())
            return stream.read()

        received = self._trying(read).decode("utf-8", "replace")
        self.text = (self.text + received)[-_TAIL:]

    def _connect(self, url: str, verify: bool | str) -> AbstractContextManager[SerialConnection]:
        return serial_session(url, verify=verify)

    def _explain(self, error: ProxyError | RfbError | InstanceFailed) -> Diagnosis:
        told = error.diagnosis.fault if isinstance(error, InstanceFailed) else ""
        return from_serial_proxy(told or error.message)


def until_login(
    compute: Compute,
    server_id: str,
    view: SerialView,
    seen: ConsoleSighting,
    note: Callable[[str], None],
) -> None:
    """Watch until the serial console shows a login prompt, or it is clear that it will not.

    :param seen: receives what is seen, also if this raises.
    :raises InstanceFailed: there is no login prompt.
    """
    started, watch = time.monotonic(), seen.watch
    while True:
        looked = time.monotonic()
        view.exchange()
        # The log has what came before the connection.
        seen.serial_text = plain_of_nova(compute.console_log(server_id)) or plain_of_nova(view.text)
        state = from_serial(seen.serial_text)
        now = looked - started
        # There is one console: what it shows counts for both.
        watch.see(now, state, state)
        note(f"serial: {state}")
        verdict = watch.verdict(now)
        if verdict is BootState.LOGIN_PROMPT:
            return
        if verdict is not None:
            silent = not seen.serial_text.strip()
            raise InstanceFailed(from_consoles(watch.screen, watch.serial, silent=silent))
        time.sleep(pause(INTERVAL, time.monotonic() - looked))


def take_keys(view: SerialView, limit: float) -> None:
    """Type at the login prompt and see it appear.

    :param limit: the time of :func:`time.monotonic` when the proof has to end.
    :raises InstanceFailed: it does not appear.
    """
    limit = min(limit, time.monotonic() + KEYS)
    while time.monotonic() < limit:
        # A new prompt, since a message of the kernel may have been written over the last one.
        view.exchange(RETURN)
        time.sleep(1)
        view.exchange()
        before = len(view.text)
        view.exchange(WORD)
        until = min(limit, time.monotonic() + AGAIN)
        while time.monotonic() < until:
            view.exchange()
            if WORD in view.text[before:] or (before >= _TAIL and WORD in view.text[-200:]):
                view.exchange(KILL_LINE)
                return
            time.sleep(0.3)
    raise InstanceFailed(
        Diagnosis(
            ProofStage.KEYBOARD,
            "the serial console shows a login prompt, but typed text does not appear",
            "does a getty run on the guest's serial port? systemctl status "
            "serial-getty@ttyAMA0 (x86: ttyS0)",
        )
    )
