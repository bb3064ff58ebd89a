"""Daemons to start: a real web server in place of a service, and a registry."""

from __future__ import annotations

import sys
from pathlib import Path

from core.config.model import Registry
from kollarm.services import daemon, ports
from kollarm.services.registry import EmbeddedRegistry


def web_server(folder: Path, port: int) -> daemon.Daemon:
    """Python's own, on loopback."""
    url = f"http://127.0.0.1:{port}/"
    return daemon.Daemon(
        name="web server",
        folder=folder,
        program=lambda: (
            sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port),
        ),
        address=("127.0.0.1", port),
        answers=lambda: ports.get(url) is not None,
        settings="first",
        deadline=20,
    )  # fmt: skip


def port_of(service: daemon.Daemon) -> int:
    """Where it listens."""
    assert service.address is not None
    return service.address[1]


def embedded_registry(state: Path, port: int) -> EmbeddedRegistry:
    """The embedded registry of a state folder, not started."""
    return EmbeddedRegistry(Registry(embedded=True, address=f"127.0.0.1:{port}"), state)
