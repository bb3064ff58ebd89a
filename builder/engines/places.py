"""Where the container engine of ``local`` and of ``podman://`` listens."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from docker.tls import TLSConfig
from docker.utils import kwargs_from_env

from builder.engines.protocol import EngineError

#: What the URL of Podman at its usual place is.
PODMAN = "podman://"

#: The Docker Engine's own address.
SOCKET = "unix:///var/run/docker.sock"


@dataclass(frozen=True)
class EnginePlace:
    """An engine's address, and how to reach it."""

    host: str
    """``unix://``, ``tcp://`` or ``ssh://``."""
    tls: TLSConfig | None = None
    environ: Mapping[str, str] = field(default_factory=dict)
    """The variables with which the ``docker`` command reaches it."""


def command_environment(host: str) -> dict[str, str]:
    """The variables with which the ``docker`` command reaches a host's engine."""
    return {"DOCKER_HOST": host, "DOCKER_CONTEXT": ""}  # a context would win over the host


def local() -> EnginePlace:
    """The engine of DOCKER_HOST, of Docker's context, or of the first socket that there is.

    :raises EngineError: the context doesn't exist.
    """
    if host := os.environ.get("DOCKER_HOST"):
        tls = kwargs_from_env().get("tls") or None
        return EnginePlace(host, tls, command_environment(host))
    if (found := _context()) is not None:
        return found
    socket = Path(SOCKET.removeprefix("unix://"))
    host = SOCKET if socket.exists() else _podman() or SOCKET
    return EnginePlace(host, None, command_environment(host))


def podman() -> EnginePlace:
    """The Podman of CONTAINER_HOST, else of its usual socket.

    :raises EngineError: there is none.
    """
    if host := _podman():
        return EnginePlace(host)
    raise EngineError(
        f"Podman can't be reached: there is no {' or '.join(map(str, _podman_sockets()))}",
        hint="start its service (systemctl enable --now podman.socket, as the same user also with "
        "--user), or name another socket in CONTAINER_HOST",
    )


def _podman_sockets() -> tuple[Path, ...]:
    """Where Podman's service listens: of this user first, then the machine's.

    https://docs.podman.io/en/latest/markdown/podman-system-service.1.html
    """
    own = os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    return Path(own) / "podman/podman.sock", Path("/run/podman/podman.sock")


def _podman() -> str | None:
    if host := os.environ.get("CONTAINER_HOST"):
        return host
    return next((f"unix://{path}" for path in _podman_sockets() if path.is_socket()), None)


def _context() -> EnginePlace | None:
    """The engine of Docker's context: https://docs.docker.com/engine/manage-resources/contexts/."""
    folder = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    name = os.environ.get("DOCKER_CONTEXT") or _read(folder / "config.json").get("currentContext")
    if not name or name == "default":
        return None
    digest = hashlib.sha256(str(name).encode()).hexdigest()
    endpoint = _read(folder / "contexts/meta" / digest / "meta.json").get("Endpoints")
    try:
        host = str((endpoint or {})["docker"]["Host"])
    except (TypeError, KeyError):
        raise EngineError(
            f"Docker's context {name} doesn't exist or has no engine",
            hint="docker context ls shows those that there are, docker context use chooses one",
        ) from None
    files = folder / "contexts/tls" / digest / "docker"
    if not (files / "cert.pem").is_file():
        return EnginePlace(host, None, command_environment(host) | {"DOCKER_TLS_VERIFY": ""})
    client = (str(files / "cert.pem"), str(files / "key.pem"))
    tls = TLSConfig(client_cert=client, ca_cert=str(files / "ca.pem"), verify=True)
    secured = {"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(files)}
    return EnginePlace(host, tls, command_environment(host) | secured)


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
