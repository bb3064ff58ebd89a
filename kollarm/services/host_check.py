"""What stands before the embedded registry, and lets no web page through.

``python -m kollarm.services.host_check HOST PORT PROGRAM…`` starts a registry that listens on a
Unix socket, and hands it the connections to HOST:PORT.

A registry without a password does what everybody on the machine asks for. A page in a browser is
such a somebody: it may name a server of its own whose name it then turns to 127.0.0.1 (DNS
rebinding). docker-registry doesn't look at the name that a request is for, so it is looked at here,
in a connection's first request: a browser uses a connection for one name only.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

from core.sockets import socket_folder
from kollarm.services.data.kollarm_identity import from_web_page

#: Bytes of a request's head; registries' clients send far less.
LONGEST_HEAD = 64 * 1024

#: Seconds that a client has to send it.
PATIENCE = 30.0

#: Bytes that are handed on at once.
PIECE = 1 << 20

REFUSAL = (
    b"HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n"
    b"this registry answers programs of this machine only, not web pages\n"
)


def headers(head: bytes) -> dict[str, str]:
    """The headers of a request's head, by their names in WSGI (PEP 3333: ``HTTP_HOST``).

    The last of a name counts.
    """
    lines = head.decode("latin-1").split("\r\n")[1:]
    pairs = (line.partition(":") for line in lines if ":" in line)
    return {
        f"HTTP_{name.strip().upper().replace('-', '_')}": value.strip() for name, _, value in pairs
    }


def serve(listener: socket.socket, registry: Path) -> None:
    """Hand the connections of a listener on to the registry's socket, for ever."""
    while True:
        client, _ = listener.accept()
        threading.Thread(target=_connect, args=(client, registry), daemon=True).start()


def _connect(client: socket.socket, registry: Path) -> None:
    with client, contextlib.suppress(OSError):
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.settimeout(PATIENCE)
        head = _read_head(client)
        if not head:
            return
        if from_web_page(headers(head.partition(b"\r\n\r\n")[0])):
            client.sendall(REFUSAL)
            return
        client.settimeout(None)
        with socket.socket(socket.AF_UNIX) as server:
            server.connect(str(registry))
            server.sendall(head)
            back = threading.Thread(target=_hand_on, args=(server, client), daemon=True)
            back.start()
            _hand_on(client, server)
            back.join()


def _read_head(client: socket.socket) -> bytes:
    """What a client sends until its first request's head is complete; nothing if it never is."""
    head = b""
    while b"\r\n\r\n" not in head:
        piece = client.recv(PIECE)
        head += piece
        if not piece or len(head.partition(b"\r\n\r\n")[0]) > LONGEST_HEAD:
            return b""
    return head


def _hand_on(source: socket.socket, target: socket.socket) -> None:
    """Hand on what a socket receives, without copying it, until its end."""
    out, into = os.pipe()
    try:
        while left := os.splice(source.fileno(), into, PIECE):
            while left:
                left -= os.splice(out, target.fileno(), left)
    except OSError:
        pass  # one of the two is gone
    finally:
        os.close(out)
        os.close(into)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)


def main(host: str, port: str, *program: str) -> int:
    """Run the registry, and stand before it until it ends; returns its exit status."""
    with socket_folder("kollarm-registry-") as folder:
        place = folder / "socket"
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", *program],
            env=os.environ | {"REGISTRY_HTTP_NET": "unix", "REGISTRY_HTTP_ADDR": str(place)},
        )
        signal.signal(signal.SIGTERM, lambda number, frame: process.terminate())
        listener = socket.create_server((host, int(port)), backlog=128)
        threading.Thread(target=serve, args=(listener, place), daemon=True).start()
        return process.wait()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
