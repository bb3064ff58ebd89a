"""A container engine on another machine, reached with the machine's own ``ssh``.

So ~/.ssh/config, its agent, jump hosts and known hosts hold as everywhere else.  On
the far side ``docker system dial-stdio`` connects to the engine, as for Docker's own
``ssh://``: https://docs.docker.com/engine/security/protect-access/#use-ssh-to-protect-the-docker-daemon-socket
"""

from __future__ import annotations

import contextlib
import re
import socket
import subprocess
import threading
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from core.sockets import socket_folder

#: Seconds that a host has to answer.
CONNECT_TIMEOUT = 20

#: Messages of ssh and the far side → the remedy.  ``{to}`` stands for ssh's arguments.
REMEDIES = {
    r"REMOTE HOST IDENTIFICATION HAS CHANGED": (
        "was it reinstalled? Then remove the old key: ssh-keygen -R HOST"
    ),
    r"Host key verification failed|host key is known": (
        "check that it is the right machine and accept its key by hand: ssh {to}"
    ),
    r"Permission denied \(": (
        "give it your public key (ssh-copy-id {to}), or load the private one into your agent "
        "(ssh-add); passwords aren't asked for"
    ),
    r"docker: (command )?not found|docker: No such file": (
        "install Docker on that machine; it is found in the PATH of: ssh {to} docker version"
    ),
    r"dial unix .*: permission denied": "add that user to the group docker on that machine",
    r"failed to open the raw stream connection|Cannot connect to the Docker daemon": (
        "start Docker on that machine: systemctl start docker"
    ),
    r"Connection refused|timed out|No route to host|Could not resolve|unreachable": (
        "is that machine up, and are its name and port right? Try: ssh {to}"
    ),
}


def words(url: str) -> list[str]:
    """The arguments of ssh to reach the host of ``ssh://[USER@]HOST[:PORT]``.

    :raises ValueError: the URL has no host, a user or host that ssh would take for an option, or a
        port that is not a number.
    """
    parts = urlsplit(url)
    if not parts.hostname or parts.hostname.startswith("-"):
        raise ValueError(f"{url} has no host")
    if (parts.username or "").startswith("-"):
        raise ValueError(f"{url} has no user's name before the @")
    port = ["-p", str(parts.port)] if parts.port else []
    return [*port, f"{parts.username}@{parts.hostname}" if parts.username else parts.hostname]


def explain(output: str, to: Sequence[str]) -> tuple[str, str | None]:
    """Why a connection failed, and the remedy.

    :param output: the errors of ssh, the far side's shell and its docker.
    :param to: ssh's arguments, from :func:`words`.
    """
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    for pattern, remedy in REMEDIES.items():
        for line in lines:
            if re.search(pattern, line):
                return line.rstrip("."), remedy.format(to=" ".join(to))
    return (lines[-1].rstrip(".") if lines else "the connection was closed"), None


class Tunnel:
    """A Unix socket each of whose connections goes through an ssh of its own.

    It lasts as long as the process, or until it is forgotten; an ssh ends with its connection.

    :ivar url: the address for a client of the engine (``unix://…``).
    """

    def __init__(self, url: str):
        self.to = words(url)
        stack = contextlib.ExitStack()
        folder = stack.enter_context(socket_folder("kollarm-ssh-"))
        self._output = folder / "output"
        self._output.touch()
        path = folder / "engine"
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        listener.listen(32)
        self.url = f"unix://{path}"
        threading.Thread(
            target=_serve, args=(listener, self.to, self._output), name="ssh", daemon=True
        ).start()
        # wakes the thread up and ends it
        stack.callback(_close, listener)
        weakref.finalize(self, stack.close)

    @property
    def output(self) -> str:
        """The errors that ssh and the far side printed so far."""
        return self._output.read_text("utf-8", "replace")


def _close(listener: socket.socket) -> None:
    with contextlib.suppress(OSError):
        listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def _serve(listener: socket.socket, to: Sequence[str], output: Path) -> None:
    command = ["ssh", "-o", "BatchMode=yes", "-o", f"ConnectTimeout={CONNECT_TIMEOUT}"]
    command += ["-T", *to[:-1], "--", to[-1], "docker", "system", "dial-stdio"]
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection, output.open("a", encoding="utf-8") as errors:
            _start(command, connection, errors)


def _start(command: Sequence[str], connection: socket.socket, errors: IO[str]) -> None:
    try:
        process = subprocess.Popen(
            command,
            stdin=connection.fileno(),
            stdout=connection.fileno(),
            stderr=errors,
            start_new_session=True,
        )
    except OSError as error:
        errors.write(f"ssh: {error.strerror}\n")
        return
    threading.Thread(target=process.wait, name="ssh-end", daemon=True).start()
