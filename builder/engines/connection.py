"""Reaching a container engine."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import docker
import docker.errors
import requests
from docker.tls import TLSConfig

from builder.engines import places, podman, ssh
from builder.engines.protocol import EngineError
from core.oci.reference import host_of
from core.oci.registry import explain

#: The SDK's exceptions when nothing answers, or something strange.
UNREACHABLE = (docker.errors.DockerException, requests.RequestException, OSError)


class EngineClient(docker.APIClient):
    """The SDK's client, which trusts an engine by that engine's own authority.

    requests prefers REQUESTS_CA_BUNDLE to a session's own settings
    (https://github.com/psf/requests/issues/3829).

    :ivar tunnel: the SSH tunnel of the connection, if any; it lasts as long as the client.
    :ivar environ: the variables with which the ``docker`` command reaches the same engine.
    :ivar podman: the engine is Podman.
    :ivar plain: the registry that it transfers to or from speaks plain HTTP.
    """

    tunnel: ssh.Tunnel | None = None
    environ: Mapping[str, str]
    podman = False
    plain = False

    def version(self, api_version: bool = True) -> Any:
        """The engine's description of itself; the SDK asks for it first."""
        described = super().version(api_version)
        self.podman = podman.is_podman(described)
        return described

    def post(self, url: Any, *args: Any, **options: Any) -> requests.Response:
        if self.podman:
            url, options["params"] = podman.own_call(
                str(url), options.get("params") or {}, plain=self.plain
            )
        return super().post(url, *args, **options)

    def merge_environment_settings(
        self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any
    ) -> Any:
        own = self.verify if verify is None and self.verify is not True else verify
        return super().merge_environment_settings(url, proxies, stream, own, cert)


def takes_plain_http(info: Mapping[str, Any], address: str) -> bool:
    """Whether a Docker engine pushes to a registry without TLS.

    Names of registries are resolved by the engine, so one that isn't listed may still be in a
    listed network: then this is true.

    :param info: what the engine says of itself; RegistryConfig holds its insecure-registries, names
        and networks: https://docs.docker.com/reference/cli/dockerd/#insecure-registries
    :param address: the registry's, with a port if it isn't the usual one.
    """
    config = info.get("RegistryConfig") or {}
    listed = (config.get("IndexConfigs") or {}).get(address)
    if listed is not None:
        return not listed["Secure"]
    networks = [ipaddress.ip_network(one) for one in config.get("InsecureRegistryCIDRs") or ()]
    try:
        own = ipaddress.ip_address(host_of(address))
    except ValueError:
        return not all(network.is_loopback for network in networks)
    return any(own in network for network in networks)


def connect(url: str, tls: Path | None, timeout: int) -> EngineClient:
    """A connection to an engine.

    :param url: ``local`` (:func:`places.local`), ``podman://`` (:func:`places.podman`), or
        ``unix://``, ``tcp://``, ``ssh://``.
    :param tls: for ``tcp://``, the folder with ca.pem, cert.pem and key.pem.
    :param timeout: seconds to wait for an answer.
    :raises EngineError: nothing answers there, or it refuses.
    """
    place = _place(url, tls)
    if place.host.startswith("ssh://"):
        return _through_ssh(place.host, timeout)
    try:
        client = EngineClient(
            base_url=place.host, version="auto", timeout=timeout, tls=place.tls or False
        )
    except UNREACHABLE as error:
        raise EngineError(
            f"the container engine ({url}) can't be reached: {reason_of(error)}",
            hint="start it (systemctl start docker, or kollarm doctor --fix), and be root or in "
            "the group docker",
        ) from error
    client.environ = place.environ
    return client


def _place(url: str, tls: Path | None) -> places.EnginePlace:
    if url == "local":
        return places.local()
    if url == places.PODMAN:
        return places.podman()
    verify = {"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(tls)}
    environ = places.command_environment(url) | (verify if tls else {"DOCKER_TLS_VERIFY": ""})
    return places.EnginePlace(url, certificates(url, tls) if tls else None, environ)


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
    client.environ = places.command_environment(tunnel.url) | {"DOCKER_TLS_VERIFY": ""}
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
