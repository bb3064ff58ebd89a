"""Podman, which speaks Docker's API; what it does in its own way.

https://docs.podman.io/en/latest/_static/api.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

#: What it calls itself in the list of its components.
COMPONENT = "Podman Engine"

_PULL = re.compile(r"/v[\d.]+/images/create$")
_PUSH = re.compile(r"/images/[^?]+/push$")


def is_podman(version: Mapping[str, Any]) -> bool:
    """Whether the answer about an engine's version is Podman's."""
    return any(part.get("Name") == COMPONENT for part in version.get("Components") or ())


def own_call(url: str, parameters: Mapping[str, Any], *, plain: bool) -> tuple[str, dict[str, Any]]:
    """A call of Docker's API as Podman needs it.

    Docker takes a registry on loopback for one without TLS, Podman doesn't, and its own pull
    alone can be told.

    :param plain: the registry speaks plain HTTP.
    :returns: the URL and its parameters.
    """
    tls = {"tlsVerify": "false"} if plain else {}
    if _PULL.search(url) and (name := parameters.get("fromImage")):
        which = str(parameters.get("tag") or "latest")
        system, _, architecture = str(parameters.get("platform") or "").partition("/")
        wanted = {
            "reference": f"{name}{'@' if ':' in which else ':'}{which}",
            "OS": system,
            "Arch": architecture,
            **tls,
        }
        return _PULL.sub("/v4.0.0/libpod/images/pull", url), wanted
    if _PUSH.search(url):
        return url, {**parameters, **tls}
    return url, dict(parameters)
