"""QEMU's control protocol, as far as it is needed here.

Lines of JSON on a socket (https://www.qemu.org/docs/master/interop/qmp-spec.html).
The library for it, qemu.qmp, is asyncio throughout; for a few commands this is less.
"""

from __future__ import annotations

import base64
import json
import socket
import time
from pathlib import Path

from core.errors import KollarmError

#: Seconds to wait for the socket to appear, and for an answer.
PATIENCE = 30.0

#: Bytes of an answer: those to the commands used here have a few thousand, and what is read of a
#: console is never more than its buffer.
ANSWER = 1 << 20


class Monitor:
    """A connection to a running QEMU, to be closed (:func:`contextlib.closing`).

    :raises KollarmError: it doesn't answer.
    """

    def __init__(self, path: Path):
        self._socket = _connect(path)
        self._stream = self._socket.makefile("rb")
        try:
            self._read()  # the greeting
            self.execute("qmp_capabilities")
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the connection; QEMU goes on."""
        self._stream.close()
        self._socket.close()

    def execute(self, command: str, **arguments: object) -> object:
        """Run a command and return what it answers."""
        request = {"execute": command, "arguments": arguments}
        try:
            self._socket.sendall(json.dumps(request).encode() + b"\n")
            while True:
                answer = self._read()
                if "error" in answer:
                    raise KollarmError(f"QEMU refused {command}: {answer['error']}")
                if "return" in answer:
                    return answer["return"]
        except (OSError, ValueError, RecursionError) as error:
            raise KollarmError(f"QEMU doesn't answer to {command}: {error}") from error

    def screenshot(self, path: Path) -> None:
        """Write the screen, the same that VNC shows, as a PNG file.

        A VNC client would see this very surface: QEMU serves both from it.
        """
        self.execute("screendump", filename=str(path), format="png")

    def press(self, key: str) -> None:
        """Press a key and let it go.

        :param key: by its name in QKeyCode, such as ``ret``.
        """
        self.execute("send-key", keys=[{"type": "qcode", "data": key}])

    def turned_off(self) -> bool:
        """Whether the guest has turned its machine off; QEMU must have been told to stay."""
        status = self.execute("query-status")
        return isinstance(status, dict) and status.get("status") == "shutdown"

    def printed(self, device: str, size: int) -> bytes:
        """What a character device with a buffer (QEMU's *ringbuf*) got since the last time.

        :param size: bytes of its buffer; older output is lost.
        """
        text = self.execute("ringbuf-read", device=device, size=size, format="base64")
        try:
            return base64.b64decode(str(text), validate=True)
        except ValueError as error:
            raise KollarmError(f"QEMU doesn't answer to ringbuf-read: {error}") from error

    def _read(self) -> dict[str, object]:
        line = self._stream.readline(ANSWER)
        if not line:
            raise OSError("connection closed")
        if len(line) == ANSWER:
            raise OSError(f"an answer of more than {ANSWER} bytes")
        answer = json.loads(line)
        if not isinstance(answer, dict):
            raise ValueError(f"unexpected answer {answer!r}")
        return answer


def _connect(path: Path) -> socket.socket:
    limit = time.monotonic() + PATIENCE
    while True:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(PATIENCE)
        try:
            connection.connect(str(path))
            return connection
        except (FileNotFoundError, ConnectionRefusedError) as error:
            connection.close()
            if time.monotonic() > limit:
                raise KollarmError("QEMU's control socket doesn't answer") from error
            time.sleep(0.1)
