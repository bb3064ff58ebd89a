"""Watching an instance through Nova: its console log, and its screen through the proxy."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from PIL import Image

from guestprep.boot.screen import ScreenReader, save
from guestprep.boot.states import BootState, from_screen, from_serial, plain_of_nova
from guestprep.boot.watch import BootWatch, pause
from kollarm.console_proof import keyboard
from kollarm.console_proof.compute import Compute, InstanceFailed
from kollarm.console_proof.console import ProxyError, session
from kollarm.console_proof.diagnose import from_consoles, from_proxy
from kollarm.console_proof.model import Diagnosis, ProofStage
from kollarm.console_proof.rfb import RfbError, VncClient

T = TypeVar("T")
R = TypeVar("R")

#: Seconds between two looks, each of which requests the console log from Nova.
INTERVAL = 3.0

#: Attempts to get a console, and seconds between them: the proxy may not know an instance
#: yet that has just become active.
ATTEMPTS, PAUSE = 5, 4.0

#: Seconds until a typed word has to appear: if a guest is emulated on a busy machine,
#: its prompt can be there minutes before its USB keyboard.
KEYS = 240.0


@dataclass
class ConsoleSighting:
    """What was seen until now."""

    watch: BootWatch
    screenshot: Path | None = None
    screen_text: str = ""
    serial_text: str = ""
    seconds: dict[ProofStage, float] = field(default_factory=dict)

    @property
    def serial_tail(self) -> str:
        """The last lines of the serial console."""
        return "\n".join(self.serial_text.strip().splitlines()[-15:])


class ProxiedConsole(Generic[T]):
    """A connection to an instance's console, through the proxy; a lost one is made again.

    :param kind: of the console, by Nova's name.
    """

    def __init__(self, compute: Compute, server_id: str, kind: str):
        self._compute, self._server_id, self._kind = compute, server_id, kind
        self._stack = ExitStack()
        self._client: T | None = None

    def close(self) -> None:
        self._stack.close()
        self._client = None

    def _connect(self, url: str, verify: bool | str) -> AbstractContextManager[T]:
        """A connection, by the URL that Nova gives."""
        raise NotImplementedError

    def _explain(self, error: ProxyError | RfbError | InstanceFailed) -> Diagnosis:
        """Why there is no console, after the last attempt."""
        raise NotImplementedError

    def _trying(self, call: Callable[[T], R]) -> R:
        for attempt in range(ATTEMPTS):
            try:
                if self._client is None:
                    url = self._compute.console_url(self._server_id, self._kind)
                    verify = self._compute.connection.session.verify
                    self._client = self._stack.enter_context(self._connect(url, verify))
                return call(self._client)
            except (ProxyError, RfbError, InstanceFailed) as error:
                self.close()
                if attempt == ATTEMPTS - 1:
                    raise InstanceFailed(self._explain(error)) from error
                time.sleep(PAUSE)
        raise AssertionError("unreachable")


class Console(ProxiedConsole[VncClient]):
    """An instance's screen."""

    def __init__(self, compute: Compute, server_id: str):
        super().__init__(compute, server_id, "novnc")

    def screen(self) -> Image.Image:
        """The current screen.

        :raises InstanceFailed: the proxy does not give it.
        """
        return self._trying(lambda client: client.screen())

    def press(self, *keys: int) -> None:
        """Press keys, given as X11 keysyms."""
        self._trying(lambda client: client.press(*keys))

    def _connect(self, url: str, verify: bool | str) -> AbstractContextManager[VncClient]:
        return session(url, verify=verify)

    def _explain(self, error: ProxyError | RfbError | InstanceFailed) -> Diagnosis:
        told = error.diagnosis.fault if isinstance(error, InstanceFailed) else error.message
        return from_proxy(told)


def until_login(
    compute: Compute,
    server_id: str,
    view: Console,
    seen: ConsoleSighting,
    screenshot: Path,
    note: Callable[[str], None],
) -> None:
    """Watch until the screen shows a login prompt, or it is clear that it will not.

    :param seen: receives what is seen, also if this raises.
    :raises InstanceFailed: there is no login prompt.
    """
    reader, watch = ScreenReader(), seen.watch
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="kollarm-proof-") as folder:
        picture = Path(folder) / "screen.png"
        while True:
            looked = time.monotonic()
            seen.serial_text = plain_of_nova(compute.console_log(server_id))
            view.screen().save(picture, compress_level=1)
            seen.screen_text = reader.read(picture).strip()
            now = time.monotonic() - started
            watch.see(now, from_screen(seen.screen_text), from_serial(seen.serial_text))
            note(f"screen: {watch.screen}, serial: {watch.serial}")
            verdict = watch.verdict(now)
            if verdict is not None:
                save(picture, screenshot)
                seen.screenshot = screenshot
                if verdict is BootState.LOGIN_PROMPT:
                    return
                silent = not seen.serial_text.strip()
                raise InstanceFailed(from_consoles(watch.screen, watch.serial, silent=silent))
            if watch.wants_return(now):
                view.press(keyboard.RETURN)
            time.sleep(pause(INTERVAL, time.monotonic() - looked))


def take_keys(view: Console, limit: float) -> None:
    """Type at the login prompt and see it appear.

    :param limit: the time of :func:`time.monotonic` when the proof has to end.
    :raises InstanceFailed: it does not appear.
    """
    if keyboard.works(view.screen, view.press, min(limit, time.monotonic() + KEYS)):
        return
    raise InstanceFailed(
        Diagnosis(
            ProofStage.KEYBOARD,
            "the screen shows a login prompt, but typed text does not appear",
            "set the image's property hw_input_bus to usb (kollarm guest publish does); does the "
            "image's kernel have the module usbhid? One without USB, such as Debian's cloud "
            "kernel, takes virtio instead, with the module virtio_input",
        )
    )
