"""Ports of the embedded services of projects that don't name any.

Each project keeps the port that it once had: the names of its images begin with it.
"""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path

from core import files, progress
from core.config.model import Config
from core.errors import KollarmError
from kollarm.services import ports

HOST = "127.0.0.1"

#: How many ports from the usual one on are tried.
RANGE = 100

_FILE = "port"


def with_registrys_port(config: Config) -> Config:
    """The configuration with a port for the embedded registry, if it names none.

    :raises KollarmError: all that are tried are in use.
    """
    registry = config.registry
    if not registry.embedded or "address" in registry.model_fields_set:
        return config
    usual = int(registry.address.rpartition(":")[2])
    port = choose("registry", config.state_dir / "registry", usual)
    named = registry.model_copy(update={"address": f"{HOST}:{port}"})
    return config.model_copy(update={"registry": named})


def glance_port(config: Config) -> int:
    """The port of the embedded Glance: the configuration's, or one that is chosen.

    Ask right before it starts, which may be long after the run began: until then another project
    may take the port.

    :raises KollarmError: all that are tried are in use.
    """
    if "port" in config.cloud.model_fields_set:
        return config.cloud.port
    return choose("Glance", config.state_dir / "glance", config.cloud.port)


def choose(name: str, folder: Path, usual: int) -> int:
    """The port that a service had before, else the usual one, or the next one that is free.

    :param folder: the service's.
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
