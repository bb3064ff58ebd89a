"""Reaching a container engine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import docker
import docker.errors
import requests
from docker.tls import TLSConfig
from docker.utils import kwargs_from_env

from builder.engines import ssh
from builder.engines.protocol import EngineError
from core.oci.registry import explain

#: The SDK's exceptions when nothing answers, or something strange.
UNREACHABLE = (docker.errors.DockerException, requests.RequestException, OSError)


class EngineClient(docker.APIClient):
    """The SDK's client, which trusts an engine by that engine's own authority.

    requests prefers REQUESTS_CA_BUNDLE to a session's own settings
    (https://github.com/psf/requests/issues/3829).

    :ivar tunnel: the SSH tunnel of the connection, if any; it lasts as long as the client.
    """

    tunnel: ssh.Tunnel | None = None

    def merge_environment_settings(
        self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any
    ) -> Any:
        own = self.verify if verify is None and self.verify is not True else verify
        return super().merge_environment_settings(url, proxies, stream, own, cert)


def connect(url: str, tls: Path | None, timeout: int) -> docker.APIClient:
    """A connection to an engine.

    :param url: ``local`` (DOCKER_HOST and its companions, else the Unix
        socket), or ``unix://``, ``tcp://``, ``ssh://``.
    :param tls: for ``tcp://``, the folder with ca.pem, cert.pem and key.pem.
    :param timeout: seconds to wait for an answer.
    :raises EngineError: nothing answers there, or it refuses.
    """
    host = os.environ.get("DOCKER_HOST", "") if url == "local" else url
    if host.startswith("ssh://"):
        return _through_ssh(host, timeout)
    where: dict[str, Any] = {"base_url": url}
    if url == "local":
        where = dict(kwargs_from_env())
    if tls is not None:
        where["tls"] = certificates(url, tls)
    try:
        return EngineClient(version="auto", timeout=timeout, **where)
    except UNREACHABLE as error:
        raise EngineError(
            f"the container engine ({url}) can't be reached: {reason_of(error)}",
            hint="start it (systemctl start docker, or make setup), and be root or in the "
            "group docker; kollarm doctor checks it",
        ) from error


def _through_ssh(url: str, timeout: int) -> docker.APIClient:
    try:
        tunnel = ssh.Tunnel(url)
    except ValueError as error:
        raise EngineError(
            f"the container engine can't be reached: {error}",
            hint="write ssh://USER@HOST or ssh://USER@HOST:PORT in build.engines",
        ) from error
    try:
        client = EngineClient(base_url=tunnel.url, version="auto", timeout=timeout)
    except UNREACHABLE as error:
        reason, hint = ssh.explain(tunnel.output, tunnel.to)
        raise EngineError(
            f"the container engine ({url}) can't be reached: {reason}", hint=hint
        ) from error
    client.tunnel = tunnel
    return client


def certificates(url: str, folder: Path) -> TLSConfig:
    """The certificates with which both ends prove who they are.

    :raises EngineError: a file is missing.
    """
    ca, own, key = (folder / name for name in ("ca.pem", "cert.pem", "key.pem"))
    if missing := [str(path) for path in (ca, own, key) if not path.is_file()]:
        raise EngineError(
            f"the container engine ({url}) can't be reached without {', '.join(missing)}",
            hint="correct tls: under build.engines; it is a folder as for DOCKER_CERT_PATH",
        )
    return TLSConfig(client_cert=(str(own), str(key)), ca_cert=str(ca), verify=True)


def reason_of(error: Exception) -> str:
    """The innermost reason of an engine's or connection's error, in few words."""
    if explanation := getattr(error, "explanation", None):
        return str(explanation)
    text = explain(error)
    if "No such file" in text:
        return "its socket doesn't exist"
    return "Connection refused" if "Connection refused" in text else text
