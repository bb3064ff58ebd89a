"""Requests to one registry: where they may lead, what goes along, how often they are repeated."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

import requests
from requests.adapters import HTTPAdapter
from urllib3 import BaseHTTPResponse
from urllib3.util.retry import Retry

from core import trust
from core.oci.auth import Credentials, RegistryAuth, absolute, origin
from core.oci.manifest import RegistryError
from core.oci.reference import host_of

#: Seconds to connect, and to wait for the next bytes.
TIMEOUT = (10.0, 60.0)

#: Seconds to wait before a request is repeated, whatever the registry asks for.
LONGEST_WAIT = 30.0

#: Bytes of an answer: manifests, image configs and attestations are read, layers are not.
#: The longest bills of materials have about 2 MiB; registries take manifests of up to 4 MiB.
LARGEST = 32 << 20

#: Redirects to follow, one after the other.
REDIRECTS = 5

#: Answers that another attempt may change.
TEMPORARY = (429, 500, 502, 503, 504)


#: What ECR, Harbor, Artifactory, Google's and Azure's registries say of an immutable tag.
_FIXED_TAG = re.compile(r"immutable|TagAlreadyExists|TAG_INVALID|already exists", re.IGNORECASE)


def is_loopback(address: str) -> bool:
    """Whether a ``host:port`` is this machine itself."""
    host = host_of(address)
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@dataclass(frozen=True)
class RegistryAnswer:
    """An answer with its whole body."""

    status_code: int
    reason: str
    url: str
    headers: Mapping[str, str]
    content: bytes


class BoundedRetry(Retry):
    """Waits as long as a server asks for, within reason."""

    def get_retry_after(self, response: BaseHTTPResponse) -> float | None:
        asked = super().get_retry_after(response)
        return None if asked is None else min(asked, LONGEST_WAIT)


class RegistryTransport:
    """The connection to one registry.  Safe to use from several threads at once.

    Credentials and tokens go to the registry's own URL alone, and only its own answers
    can ask for them: not a server that it redirects to, nor one that it sends an upload to.

    :param insecure: speak plain HTTP, and send credentials over it; on loopback plain HTTP is
        always spoken, as Docker does.
    :param ca_bundle: PEM file of the authorities to trust; None for requests' own choice.
    """

    def __init__(
        self,
        address: str,
        *,
        insecure: bool,
        ca_bundle: Path | None,
        credentials: Credentials | None,
    ):
        self.address = address
        plain = insecure or is_loopback(address)
        # Docker's own name for Docker Hub is not the host that serves its API.
        host = "registry-1.docker.io" if address == "docker.io" else address
        self.url = f"{'http' if plain else 'https'}://{host}/v2/"
        self.session = self._session(ca_bundle, BoundedRetry(
            total=6,
            connect=2,
            backoff_factor=0.3,
            status_forcelist=TEMPORARY,
            allowed_methods=None,  # every request made here may be repeated
            raise_on_status=False,
        ))  # fmt: skip
        # a server that the registry redirects to isn't waited for
        self._elsewhere = self._session(ca_bundle, Retry(
            total=2,
            backoff_factor=0.3,
            status_forcelist=(500, 502, 503, 504),
            allowed_methods=None,
            raise_on_status=False,
            respect_retry_after_header=False,
        ))  # fmt: skip
        self.auth = RegistryAuth(address, self.url, self.session, credentials, plain=insecure)

    def _session(self, ca_bundle: Path | None, retry: Retry) -> requests.Session:
        session = requests.Session()
        session.auth = trust.no_stored_password
        session.verify = str(ca_bundle) if ca_bundle else True
        if is_loopback(self.address):
            session.trust_env = False  # no proxy lies between us and ourselves
        adapter = HTTPAdapter(max_retries=retry, pool_connections=4, pool_maxsize=32)
        session.mount("http://", adapter)
        session.mount("https://", adapter)
        return session

    def request(
        self,
        method: str,
        path: str,
        scope: str,
        *,
        headers: dict[str, str] | None = None,
        data: bytes | None = None,
        within: bool = False,
    ) -> RegistryAnswer:
        """Ask the registry, with authorization for *scope* if it wants that.

        :param path: below ``/v2/``, or a whole URL that the registry gave.
        :param within: return a redirect to another server instead of following it.
        :raises RegistryError: it can't be reached, answers with more than :data:`LARGEST` bytes,
            or leads from TLS to plain HTTP.
        """
        url = absolute(self.url, path)
        for _ in range(1 + REDIRECTS):
            own = self._is_own(url)
            try:
                answer = self._asked(method, url, own, headers or {}, data, scope)
            except requests.RequestException as error:
                raise self._unreachable(error) from error
            target = _target(method, answer)
            if target is None or (within and not self._is_own(target)):
                return answer
            url = target
        raise RegistryError(f"the registry {self.address} redirects {method} {path} in a circle")

    def _is_own(self, url: str) -> bool:
        """Whether a URL is the registry's own.

        :raises RegistryError: it leads from TLS to plain HTTP.
        """
        try:
            there, here = origin(url), origin(self.url)
        except ValueError as error:
            raise RegistryError(f"the registry {self.address} leads to {url!r}") from error
        if there[0] != "https" and (here[0] == "https" or there[0] != "http"):
            raise RegistryError(
                f"the registry {self.address} leads from https to {url}",
                hint="a proxy in front of it has to tell it about TLS: the header "
                "X-Forwarded-Proto, or the registry's setting of its own URL",
            )
        return there == here

    def _asked(
        self,
        method: str,
        url: str,
        own: bool,
        headers: dict[str, str],
        data: bytes | None,
        scope: str,
    ) -> RegistryAnswer:
        if not own:
            return self._whole(
                self._elsewhere.request(
                    method,
                    url,
                    headers=headers,
                    data=data,
                    timeout=TIMEOUT,
                    allow_redirects=False,
                    stream=True,
                )
            )
        for attempt in ("first", "with new authorization"):
            answer = self._whole(
                self.session.request(
                    method,
                    url,
                    headers={**headers, **self.auth.header(scope)},
                    data=data,
                    timeout=TIMEOUT,
                    allow_redirects=False,
                    stream=True,
                )
            )
            if answer.status_code != 401 or attempt != "first":
                break
            if not self.auth.learn(answer.headers.get("WWW-Authenticate", ""), scope):
                break
        return answer

    def _whole(self, answer: requests.Response) -> RegistryAnswer:
        """An answer with its body, unpacked, as far as that is bounded."""
        with answer:
            content = bytearray()
            for piece in answer.iter_content(1 << 16):
                content += piece
                if len(content) > LARGEST:
                    raise RegistryError(
                        f"the registry {self.address} answers with more than "
                        f"{LARGEST >> 20} MiB: {answer.url}"
                    )
        return RegistryAnswer(
            answer.status_code, answer.reason or "", answer.url, answer.headers, bytes(content)
        )

    def _unreachable(self, error: requests.RequestException) -> RegistryError:
        return RegistryError(
            f"the registry {self.address} can't be reached: {explain(error)}",
            hint=trust.hint(
                error,
                "is it running, and is registry.address right? A private CA is named with "
                "ca_bundle, plain HTTP allowed with registry.insecure",
            ),
        )

    def refusal(self, method: str, path: str, answer: RegistryAnswer) -> RegistryError:
        """The error for an answer that is none of those wanted, with the registry's own words."""
        try:
            words = "; ".join(
                f"{error.get('code')}: {error.get('message')}"
                for error in json.loads(answer.content)["errors"]
            )
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            words = answer.reason
        hint = self.auth.remedy if answer.status_code in (401, 403) else None
        if method == "PUT" and "/manifests/" in path:
            hint = fixed_tag(words, answer.status_code) or hint
        return RegistryError(
            f"the registry {self.address} refuses {method} {path}: {answer.status_code} {words}",
            hint=hint,
        )


def fixed_tag(words: str, status: int = 0) -> str | None:
    """What to do if a registry refuses a tag that is there already; None if it is something else.

    :param words: the registry's own.
    """
    if status in (409, 412) or _FIXED_TAG.search(words):
        return (
            "the registry's tags are immutable: name another build.tag, or allow it to be changed"
        )
    return None


def _target(method: str, answer: RegistryAnswer) -> str | None:
    """Where an answer redirects a request to; None if it doesn't, or not this request."""
    repeated = answer.status_code in (307, 308) or (
        method in ("GET", "HEAD") and answer.status_code in (301, 302, 303)
    )
    location = answer.headers.get("Location")
    return absolute(answer.url, location) if repeated and location else None


def explain(error: BaseException) -> str:
    """The innermost reason of a failed request, in few words."""
    inner = next(
        (
            one
            for one in (getattr(error, "reason", None), *error.args, error.__cause__)
            if isinstance(one, BaseException)
        ),
        None,
    )
    if inner is not None:
        return explain(inner)
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error)
