"""Ports of the embedded services of projects that don't name any.

Each project keeps the port that it once had: the names of its images begin with it.
"""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path

from core import files, progress
from core.config.model import Cloud, Config, Registry
from core.errors import KollarmError
from kollarm.services import ports

HOST = "127.0.0.1"

#: How many ports from the usual one on are tried.
RANGE = 100

_FILE = "port"


def with_chosen_ports(config: Config) -> Config:
    """The configuration with a port for each embedded service for which it names none.

    That is the one that the project had before, else the usual one, or the next one at which no
    other program listens.

    :raises KollarmError: all are in use.
    """
    registry, cloud = config.registry, config.cloud
    changes: dict[str, Registry | Cloud] = {}
    if registry.embedded and "address" not in registry.model_fields_set:
        usual = int(registry.address.rpartition(":")[2])
        port = choose("registry", config.state_dir / "registry", usual)
        changes["registry"] = registry.model_copy(update={"address": f"{HOST}:{port}"})
    if cloud.embedded and "port" not in cloud.model_fields_set:
        port = choose("Glance", config.state_dir / "glance", cloud.port)
        changes["cloud"] = cloud.model_copy(update={"port": port})
    return config.model_copy(update=changes)


def choose(name: str, folder: Path, usual: int) -> int:
    """The port of a service with this folder.

    :raises KollarmError: all that are tried are in use.
    """
    with contextlib.suppress(OSError, ValueError):
        kept = int((folder / _FILE).read_text(encoding="utf-8"))
        if 0 < kept < 2**16:
            return kept
    for port in range(usual, usual + RANGE):
        if _is_free(port, folder):
            if port != usual:
                progress.current().say(
                    f"the embedded {name} of this project gets port {port}: {usual} is in use"
                )
            return port
    raise KollarmError(
        f"the ports from {usual} to {usual + RANGE - 1} are all in use",
        hint="name a port in the configuration (registry.address, cloud.port)",
    )


def keep(folder: Path, port: int) -> None:
    """Remember the port at which a service runs."""
    path = folder / _FILE
    text = f"{port}\n"
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        files.write(path, text)


def _is_free(port: int, folder: Path) -> bool:
    """Whether nothing listens there but this project's own service."""
    try:
        socket.create_connection((HOST, port), timeout=2).close()
    except OSError:
        return True
    holder = ports.listener(port)
    return holder is not None and ports.service_folder(holder) == folder
