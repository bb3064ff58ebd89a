"""Authorization at a registry: Basic, or tokens from the service it names.

Credentials come from Docker's own config.json and credential helpers, through
the docker SDK.  They are kept out of messages and logs.
"""

from __future__ import annotations

import base64
import threading
from dataclasses import dataclass, field

import requests
from requests.utils import parse_dict_header

from core.errors import KollarmError

#: Seconds the token service has to answer.
TIMEOUT = 30.0


@dataclass(frozen=True)
class Credentials:
    """A user's name and password, or an identity token (OAuth2 refresh token)."""

    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)


def stored_credentials(address: str) -> Credentials | None:
    """What ``docker login`` left for a registry, credential helpers included.

    :raises KollarmError: Docker's configuration names a helper that fails.
    """
    import docker.auth  # noqa: PLC0415 - local registries rarely need credentials
    import docker.errors  # noqa: PLC0415

    try:
        found = docker.auth.load_config().resolve_authconfig(address)
    except docker.errors.DockerException as error:
        raise KollarmError(
            f"the credentials for {address} can't be read: {error}",
            hint="fix the credential helper that ~/.docker/config.json names, or run docker login",
        ) from error
    if not found:
        return None
    return Credentials(
        found.get("username") or found.get("Username") or "",
        found.get("password") or found.get("Password") or "",
        found.get("identitytoken") or found.get("IdentityToken") or "",
    )


class RegistryAuth:
    """The Authorization header for each scope, according to the registry's challenges."""

    def __init__(self, address: str, session: requests.Session, credentials: Credentials | None):
        self.address = address
        self.session = session
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
        """The client's own credentials, else those that Docker has stored."""
        if not self._looked_up:
            self._credentials = stored_credentials(self.address)
            self._looked_up = True
        return self._credentials

    def learn(self, challenge: str, scope: str) -> bool:
        """Answer the challenge of a 401 response; False if there is no (new) answer.

        :raises KollarmError: the token service refuses.
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
        realm = challenge.get("realm") or ""
        known = self.credentials()
        if known and known.identity_token:
            answer = self.session.post(
                realm,
                data={
                    **query,
                    "grant_type": "refresh_token",
                    "refresh_token": known.identity_token,
                    "client_id": "kollarm",
                },
                timeout=TIMEOUT,
            )
        else:
            answer = self.session.get(
                realm,
                params=query,
                headers={"Authorization": basic(known)} if known else {},
                timeout=TIMEOUT,
            )
        if not answer.ok:
            raise KollarmError(
                f"the token service of {self.address} refuses: "
                f"{answer.status_code} {answer.reason}",
                hint=f"log in with: docker login {self.address}",
            )
        document = answer.json()
        return str(document.get("token") or document.get("access_token") or "")


def basic(known: Credentials) -> str:
    """The value of a Basic Authorization header."""
    pair = f"{known.username}:{known.password}".encode()
    return f"Basic {base64.b64encode(pair).decode()}"
