"""Another user of this machine, who tries to get into services that aren't his.

The attempts run as a user without rights (``nobody``), in a program that reads them as JSON from
its standard input and prints the names of those that succeeded.
"""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from socket import AF_UNIX, create_connection, socket

#: His user and group id.
NOBODY = 65534

#: The passwords that every copy of an older kollarm had.
KNOWN_PASSWORD, GUEST = "kollarm-on-loopback", "guest"

Attempt = tuple[str, list[str]]
"""The name of a function of this module, and its arguments."""


def successes(attempts: list[Attempt]) -> list[Attempt]:
    """Those of the attempts that succeed for another user."""
    done = subprocess.run(
        ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
         # his own Python: the checkout may be in a folder that he can't enter
         "/usr/bin/python3", "-I", "-c", Path(__file__).read_text(encoding="utf-8")],
        input=json.dumps(attempts), capture_output=True, text=True, check=True, timeout=300,
        cwd="/",
    )  # fmt: skip
    return [(name, arguments) for name, arguments in json.loads(done.stdout)]


USERS = ("root", "nova", "mariadb.sys", "")


def logins(port: int, passwords: Iterable[str], users: Iterable[str] = USERS) -> list[Attempt]:
    """Attempts to use a MariaDB, as each user that it may have."""
    return [
        ("runs", ["mariadb", "--no-defaults", "--host=127.0.0.1", f"--port={port}",
                  f"--user={user}", f"--password={password}", "--execute=select 1"])
        for user in users
        for password in passwords
    ]  # fmt: skip


def files_below(folder: Path) -> list[Attempt]:
    """Attempts to read each file, list each folder and connect to each socket."""
    return [
        ("connects" if path.is_socket() else "reads", [str(path)])
        for path in (folder, *folder.rglob("*"))
        if path.is_socket() or path.is_file() or path.is_dir()
    ]


def reads(path: str) -> bool:
    """Whether he can read a file or list a folder."""
    where = Path(path)
    return bool(list(where.iterdir()) or True) if where.is_dir() else where.read_bytes() is not None


def connects(path: str) -> bool:
    """Whether he can connect to a Unix socket."""
    with socket(AF_UNIX) as stream:
        stream.connect(path)
    return True


def runs(*words: str) -> bool:
    """Whether a command ends well."""
    return subprocess.run(words, capture_output=True, check=False, timeout=60).returncode == 0


def gets_token(url: str, user: str, password: str, project: str) -> bool:
    """Whether Keystone gives him a token."""
    domain = {"id": "default"}
    body = {
        "auth": {
            "identity": {
                "methods": ["password"],
                "password": {"user": {"name": user, "domain": domain, "password": password}},
            },
            "scope": {"project": {"name": project, "domain": domain}},
        }
    }
    request = urllib.request.Request(
        f"{url}/v3/auth/tokens", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    proxies = urllib.request.ProxyHandler({})
    with urllib.request.build_opener(proxies).open(request, timeout=60) as answer:
        return bool(answer.status < 300)


def logs_into_queue(port: str, user: str, password: str) -> bool:
    """Whether RabbitMQ lets him in (AMQP 0-9-1: connection.start-ok, then connection.tune)."""
    response = f"\0{user}\0{password}".encode()
    arguments = b"\0\0\0\0" + b"\x05PLAIN" + len(response).to_bytes(4) + response + b"\x05en_US"
    method = (10).to_bytes(2) + (11).to_bytes(2) + arguments
    with create_connection(("127.0.0.1", int(port)), timeout=30) as stream:
        stream.sendall(b"AMQP\0\0\x09\x01")
        _frame(stream)
        stream.sendall(b"\x01\0\0" + len(method).to_bytes(4) + method + b"\xce")
        return _frame(stream)[:4] == (10).to_bytes(2) + (30).to_bytes(2)


def _frame(stream: socket) -> bytes:
    head = _exactly(stream, 7)
    return _exactly(stream, int.from_bytes(head[3:7]) + 1)


def sees_screen(port: str) -> bool:
    """Whether a VNC server lets him in without any proof (RFC 6143: security type 1, None)."""
    with create_connection(("127.0.0.1", int(port)), timeout=30) as stream:
        stream.sendall(_exactly(stream, 12))
        return 1 in _exactly(stream, _exactly(stream, 1)[0])


def _exactly(stream: socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = stream.recv(size - len(data))
        if not more:
            raise ConnectionError
        data += more
    return data


def _succeeds(name: str, arguments: list[str]) -> bool:
    try:
        return bool(globals()[name](*arguments))
    except (OSError, urllib.error.URLError):
        return False


if __name__ == "__main__":
    json.dump([one for one in json.load(sys.stdin) if _succeeds(*one)], sys.stdout)
