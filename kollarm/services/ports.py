"""Ports of this machine: who listens, and requests that bypass a proxy."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import requests

#: In the environment of each of kollarm's services: its folder, by which an orphan
#: is recognised.
MARK = "KOLLARM_SERVICE"

#: Seconds that one question to a service may take.
ANSWER = 10.0


def get(url: str) -> requests.Response | None:
    """The answer of a service on this machine, without any proxy; None if nothing answers."""
    with requests.Session() as session:
        session.trust_env = False
        try:
            return session.get(url, timeout=ANSWER)
        except requests.RequestException:
            return None


def bypass_proxy(host: str) -> None:
    """Let this process and its children reach a local service without the machine's proxy."""
    for name in ("no_proxy", "NO_PROXY"):
        hosts = [each.strip() for each in os.environ.get(name, "").split(",")]
        if host not in hosts and "*" not in hosts:
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
    """The folder of a kollarm service, by its process; None for other processes."""
    try:
        folder = process.environ().get(MARK)
    except psutil.Error:
        return None
    return Path(folder) if folder else None
