"""Ports and addresses of this machine: which is free, who listens, asking past a proxy."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import psutil
import requests

#: In the environment of each of kollarm's services: its folder, by which an orphan
#: is recognised.
MARK = "KOLLARM_SERVICE"

#: Seconds that one question to a service may take.
ANSWER = 10.0


def free_port(host: str = "127.0.0.1") -> int:
    """A TCP port that nothing listens on at the moment."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


def get(url: str) -> requests.Response | None:
    """The answer of a service on this machine, past any proxy; None where nothing answers."""
    with requests.Session() as session:
        session.trust_env = False
        try:
            return session.get(url, timeout=ANSWER)
        except requests.RequestException:
            return None


def past_the_proxy(host: str) -> None:
    """Let this process, and what it runs, reach a local service without the machine's proxy."""
    if not any(os.environ.get(name) for name in ("http_proxy", "HTTP_PROXY", "all_proxy")):
        return
    for name in ("no_proxy", "NO_PROXY"):
        hosts = os.environ.get(name, "").split(",")
        if host not in hosts:
            os.environ[name] = ",".join([*filter(None, hosts), host])


def listener(port: int) -> psutil.Process | None:
    """The process that listens on a TCP port, as far as this user may see it."""
    for connection in psutil.net_connections("tcp"):
        if (
            connection.status == psutil.CONN_LISTEN
            and connection.laddr
            and connection.laddr.port == port
            and connection.pid
        ):
            return psutil.Process(connection.pid)
    return None


def service_folder(process: psutil.Process) -> Path | None:
    """The folder of the kollarm service that a process is, if it is one."""
    try:
        folder = process.environ().get(MARK)
    except psutil.Error:
        return None
    return Path(folder) if folder else None
