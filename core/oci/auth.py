"""Authorization at a registry: Basic, or tokens from the service it names.

Credentials come from Docker's own config.json and credential helpers, through
the docker SDK, or from Podman's auth.json.  They are kept out of messages and logs.
"""

from __future__ import annotations

import base64
import contextlib
import os
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from requests.utils import parse_dict_header

from core.errors import KollarmError
from core.json_object import json_object
from core.oci.manifest import RegistryError

#: Seconds the token service has to answer.
TIMEOUT = 30.0

#: Bytes of its answer: what is longer is cut, and then not JSON any more.
LARGEST = 1 << 20

#: Redirects of the token service, within itself, that are followed.
REDIRECTS = 3


@dataclass(frozen=True)
class Credentials:
    """A user's name and password, or an identity token (OAuth2 refresh token)."""

    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)


@contextlib.contextmanager
def readable(address: str) -> Iterator[None]:
    """Explain why the docker SDK can't read stored credentials.

    :param address: the registry that they are for.
    :raises KollarmError: Docker's configuration names a helper that is missing or fails.
    """
    import docker.credentials.errors  # noqa: PLC0415 - local registries rarely need credentials
    import docker.errors  # noqa: PLC0415

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a missing helper, which is an error below
            yield
    except docker.errors.APIError:
        raise  # an engine's answer
    except (docker.errors.DockerException, docker.credentials.errors.StoreError) as error:
        raise KollarmError(
            f"the credentials for {address} can't be read: {error}",
            hint="install or fix the credential helper (docker-credential-NAME) that Docker's "
            "config.json names in credsStore or credHelpers, or remove it there and run "
            "docker login",
        ) from error


def login(address: str) -> dict[str, str]:
    """What ``docker login`` or ``podman login`` left for a registry, as the Engine API takes it.

    Credential helpers are asked; empty where there is nothing.

    :raises KollarmError: as :func:`readable`.
    """
    import docker.auth  # noqa: PLC0415 - local registries rarely need credentials

    with readable(address):
        for path in (None, *podman_logins()):
            if found := docker.auth.load_config(path and str(path)).resolve_authconfig(address):
                return dict(found)
    return {}


def podman_logins() -> list[Path]:
    """Podman's files of credentials that there are: containers-auth.json(5)."""
    folders = [os.environ.get("XDG_RUNTIME_DIR", f"/run/containers/{os.getuid()}")]
    folders.append(os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config"))
    named = os.environ.get("REGISTRY_AUTH_FILE")
    paths = [Path(named)] if named else [Path(one) / "containers/auth.json" for one in folders]
    return [path for path in paths if path.is_file()]


def stored_credentials(address: str) -> Credentials | None:
    """What a login left for a registry (:func:`login`).

    :raises KollarmError: Docker's configuration names a helper that is missing or fails.
    """
    found = login(address)
    if not found:
        return None
    return Credentials(
        found.get("username") or found.get("Username") or "",
        found.get("password") or found.get("Password") or "",
        found.get("identitytoken") or found.get("IdentityToken") or "",
    )


def origin(url: str) -> tuple[str, str, int | None]:
    """Whose answers a URL gives: scheme, host and port, a default port written out.

    :raises ValueError: it is not a URL.
    """
    parts = urlsplit(url)
    defaults = {"http": 80, "https": 443}
    return parts.scheme, parts.hostname or "", parts.port or defaults.get(parts.scheme)


def absolute(base: str, reference: str) -> str:
    """The URL that a reference in the answer from another one means.

    :raises RegistryError: it is not a URL.
    """
    try:
        return urljoin(base, reference)
    except ValueError as error:
        raise RegistryError(f"{base} leads to {reference!r}, which is not a URL") from error


class RegistryAuth:
    """The Authorization header for each scope, according to the registry's challenges.

    :param url: the registry's; only challenges in its own answers may be given to :meth:`learn`.
    :param plain: credentials may be sent without TLS.
    """

    def __init__(
        self,
        address: str,
        url: str,
        session: requests.Session,
        credentials: Credentials | None,
        *,
        plain: bool,
    ):
        self.address = address
        self.url = url
        self.session = session
        self.plain = plain
        self._credentials = credentials
        self._looked_up = credentials is not None
        self._basic = False
        self._tokens: dict[str, str] = {}
        self._lock = threading.Lock()

    def header(self, scope: str) -> dict[str, str]:
        """The header to send for a scope; empty before the first challenge."""
        with self._lock:
            if scope in self._tokens:
                return {"Authorization": f"Bearer {self._tokens[scope]}"}
            if self._basic and (known := self.credentials()):
                return {"Authorization": basic(known)}
        return {}

    def credentials(self) -> Credentials | None:
        """The client's own credentials, else those that Docker has stored.

        None where they would be sent without TLS to a registry that the configuration
        doesn't call insecure, even on loopback: anybody may listen there.
        """
        if not self.plain and not self.url.startswith("https:"):
            return None
        if not self._looked_up:
            self._credentials = stored_credentials(self.address)
            self._looked_up = True
        return self._credentials

    @property
    def remedy(self) -> str:
        """What to do when the registry wants other credentials, or any."""
        if not self.plain and not self.url.startswith("https:"):
            return (
                "credentials are sent without TLS only with registry.insecure: true; "
                f"set it if {self.address} is a registry of yours, "
                f"and log in with: docker login {self.address}"
            )
        return f"log in with: docker login {self.address}"

    def learn(self, challenge: str, scope: str) -> bool:
        """Answer the challenge of a 401 response; False if there is no (new) answer.

        :raises KollarmError: the token service refuses, or isn't one to give credentials to.
        :raises requests.RequestException: it can't be reached.
        """
        kind, _, parameters = challenge.partition(" ")
        with self._lock:
            if kind.lower() == "basic":
                if self._basic or self.credentials() is None:
                    return False
                self._basic = True
                return True
            if kind.lower() != "bearer":
                return False
            self._tokens[scope] = self._token(parse_dict_header(parameters), scope)  # type: ignore[no-untyped-call]
            return True

    def _token(self, challenge: dict[str, str | None], scope: str) -> str:
        query = {"scope": challenge.get("scope") or scope}
        if service := challenge.get("service"):
            query["service"] = service
        realm = absolute(self.url, challenge.get("realm") or "")  # zot's is relative
        known = self.credentials()
        if known and known.identity_token:
            form = {
                **query,
                "grant_type": "refresh_token",
                "refresh_token": known.identity_token,
                "client_id": "kollarm",
            }
            answer = self._ask("POST", realm, data=form)
        else:
            headers = {"Authorization": basic(known)} if known else {}
            answer = self._ask("GET", realm, params=query, headers=headers)
        if not answer.ok:
            raise KollarmError(
                f"the token service of {self.address} refuses: "
                f"{answer.status_code} {answer.reason}",
                hint=self.remedy,
            )
        content = next(answer.iter_content(LARGEST), b"")
        answer.close()
        document = json_object(content, f"the answer of {self.address}'s token service")
        token = document.get("token") or document.get("access_token")
        if not isinstance(token, str):
            raise KollarmError(f"the token service of {self.address} gives no token")
        return token

    def _ask(self, method: str, realm: str, **what: Any) -> requests.Response:
        """Ask the token service.

        A registry with TLS has to name one with TLS, and it can't send what it is asked on to
        another server.
        """
        url = realm
        for _ in range(1 + REDIRECTS):
            try:
                own, asked = origin(url), origin(realm)
            except ValueError:
                own = asked = ("", "", None)
            if own[0] not in ("http", "https") or not own[1]:
                raise KollarmError(f"{self.address} names a token service without a URL: {url!r}")
            if self.url.startswith("https:") and own[0] != "https":
                raise KollarmError(
                    f"{self.address} names a token service without TLS: {url}",
                    hint="credentials would be readable on the way; the registry's realm has "
                    "to be an https URL",
                )
            if own != asked:
                raise KollarmError(
                    f"the token service of {self.address} redirects to another server: {url}",
                    hint="credentials are sent to the realm alone that the registry names",
                )
            answer = self.session.request(
                method, url, timeout=TIMEOUT, allow_redirects=False, stream=True, **what
            )
            if not answer.is_redirect:
                return answer
            answer.close()
            url = absolute(url, answer.headers["Location"])
        raise KollarmError(f"the token service of {self.address} redirects in a circle")


def basic(known: Credentials) -> str:
    """The value of a Basic Authorization header."""
    pair = f"{known.username}:{known.password}".encode()
    return f"Basic {base64.b64encode(pair).decode()}"
