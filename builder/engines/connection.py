"""Reaching a container engine."""

from __future__ import annotations

import os
from collections.abc import Mapping
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

#: The Docker Engine's own address.
SOCKET = "unix:///var/run/docker.sock"


class EngineClient(docker.APIClient):
    """The SDK's client, which trusts an engine by that engine's own authority.

    requests prefers REQUESTS_CA_BUNDLE to a session's own settings
    (https://github.com/psf/requests/issues/3829).

    :ivar tunnel: the SSH tunnel of the connection, if any; it lasts as long as the client.
    :ivar environ: the variables with which the ``docker`` command reaches the same engine.
    """

    tunnel: ssh.Tunnel | None = None
    environ: Mapping[str, str]

    def merge_environment_settings(
        self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any
    ) -> Any:
        own = self.verify if verify is None and self.verify is not True else verify
        return super().merge_environment_settings(url, proxies, stream, own, cert)


def connect(url: str, tls: Path | None, timeout: int) -> EngineClient:
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
        client = EngineClient(version="auto", timeout=timeout, **where)
    except UNREACHABLE as error:
        raise EngineError(
            f"the container engine ({url}) can't be reached: {reason_of(error)}",
            hint="start it (systemctl start docker, or kollarm doctor --fix), and be root or in "
            "the group docker",
        ) from error
    if url == "local":
        client.environ = _environ(host or SOCKET)
    else:
        verify = {"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(tls)}
        client.environ = _environ(url) | (verify if tls else {"DOCKER_TLS_VERIFY": ""})
    return client


def _environ(host: str) -> dict[str, str]:
    # a context would win over the host
    return {"DOCKER_HOST": host, "DOCKER_CONTEXT": ""}


def _through_ssh(url: str, timeout: int) -> EngineClient:
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
    client.environ = _environ(tunnel.url) | {"DOCKER_TLS_VERIFY": ""}
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
