"""A client of the OCI distribution API, for what kollarm asks of a registry.

Source of the protocol: https://github.com/opencontainers/distribution-spec and,
for tokens, https://distribution.github.io/distribution/spec/auth/token/.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from core import trust
from core.errors import KollarmError
from core.oci.auth import Credentials, RegistryAuth
from core.oci.model import LABEL, ImageIndex, IndexEntry, RegistryImage

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"

#: Without an explicit Accept a registry answers with the long obsolete schema 1.
ACCEPT = ", ".join((OCI_INDEX, DOCKER_LIST, OCI_MANIFEST, DOCKER_MANIFEST))

#: The repository in a path below ``/v2/``.
_REPOSITORY = re.compile(r"(.+)/(?:manifests|blobs|referrers)/")

#: Seconds to connect, and to wait for the next bytes.
TIMEOUT = (10.0, 60.0)


class RegistryError(KollarmError):
    """The registry can't be reached, or refuses what is asked."""


@dataclass(frozen=True)
class Manifest:
    """A manifest or index as the registry keeps it."""

    content: bytes
    media_type: str
    digest: str

    @property
    def document(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.content)
        return document


def is_loopback(address: str) -> bool:
    """Whether a ``host:port`` is this machine itself."""
    host = address.rsplit(":", 1)[0].strip("[]") if ":" in address else address
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def digest_of(content: bytes) -> str:
    """A content's digest as registries write it."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


class RegistryClient:
    """One registry.  Safe to use from several threads at once.

    :param address: ``host`` or ``host:port``.
    :param insecure: speak plain HTTP; on loopback that is always so, as with Docker.
    :param ca_bundle: PEM file of the authorities to trust; None for requests' own choice.
    """

    def __init__(
        self,
        address: str,
        *,
        insecure: bool = False,
        ca_bundle: Path | None = None,
        credentials: Credentials | None = None,
    ):
        self.address = address
        plain = insecure or is_loopback(address)
        # Docker's own name for Docker Hub is not the host that serves its API.
        host = "registry-1.docker.io" if address == "docker.io" else address
        self.url = f"{'http' if plain else 'https'}://{host}/v2/"
        self.session = requests.Session()
        self.session.verify = str(ca_bundle) if ca_bundle else True
        if is_loopback(address):
            self.session.trust_env = False  # no proxy lies between us and ourselves
        retry = Retry(
            total=6,
            connect=2,
            backoff_factor=0.3,
            status_forcelist=(429, 500, 502, 503, 504),
            allowed_methods=None,  # every request made here may be repeated
            raise_on_status=False,
        )
        adapter = HTTPAdapter(max_retries=retry, pool_connections=4, pool_maxsize=32)
        self.session.mount("http://", adapter)
        self.session.mount("https://", adapter)
        self.auth = RegistryAuth(address, self.session, credentials)

    def ping(self) -> None:
        """Ask whether a registry answers there.

        :raises RegistryError: it doesn't.
        """
        if self._request("GET", "", missing=True) is None:
            raise RegistryError(
                f"the server at {self.address} is not a container registry",
                hint="is registry.address right?",
            )

    def manifest(self, repository: str, reference: str) -> Manifest | None:
        """The manifest or index under a tag or digest; None when there is none.

        :raises RegistryError: what came isn't what its digest says.
        """
        answer = self._request(
            "GET", f"{repository}/manifests/{reference}", headers={"Accept": ACCEPT}, missing=True
        )
        if answer is None:
            return None
        digest = digest_of(answer.content)
        claimed = answer.headers.get("Docker-Content-Digest", digest)
        if digest not in (claimed, reference) and claimed.startswith("sha256:"):
            raise RegistryError(
                f"the registry {self.address} answered for {repository}:{reference} with "
                f"content that isn't {claimed}",
                hint="the registry's storage or a proxy in front of it is damaged",
            )
        media_type = answer.headers.get("Content-Type", "").partition(";")[0].strip()
        return Manifest(answer.content, media_type, digest)

    def blob(self, repository: str, digest: str) -> bytes:
        """A blob's content, checked against its digest.

        :raises RegistryError: it is missing or damaged.
        """
        answer = self._request("GET", f"{repository}/blobs/{digest}")
        assert answer is not None
        if digest_of(answer.content) != digest:
            raise RegistryError(f"blob {digest} of {repository} in {self.address} is damaged")
        return answer.content

    def put_manifest(self, repository: str, reference: str, content: bytes, media_type: str) -> str:
        """Write a manifest or index under a tag; returns its digest."""
        self._request(
            "PUT",
            f"{repository}/manifests/{reference}",
            data=content,
            headers={"Content-Type": media_type},
            scope=_pushing(repository),
        )
        return digest_of(content)

    def put_blob(self, repository: str, content: bytes) -> str:
        """Put a small blob into a repository, in one request; returns its digest.

        :raises RegistryError: the registry doesn't let it be written.
        """
        digest = digest_of(content)
        place = self._begin_upload(repository)
        self._request(
            "PUT",
            f"{place}{'&' if '?' in place else '?'}digest={digest}",
            headers={"Content-Type": "application/octet-stream"},
            data=content,
            scope=_pushing(repository),
        )
        return digest

    def check_writable(self, repository: str) -> None:
        """Begin an upload to a repository and give it up: nothing is written.

        :raises RegistryError: the credentials at hand don't allow it.
        """
        place = self._begin_upload(repository)
        with contextlib.suppress(RegistryError):  # one that is left lapses by itself
            self._request("DELETE", place, scope=_pushing(repository))

    def _begin_upload(self, repository: str) -> str:
        """The URL to send a blob to, as the registry names it."""
        answer = self._request(
            "POST", f"{repository}/blobs/uploads/", data=b"", scope=_pushing(repository)
        )
        assert answer is not None
        return urljoin(answer.url, answer.headers.get("Location", ""))

    def referrers(self, repository: str, digest: str) -> list[dict[str, Any]] | None:
        """What refers to a manifest, as descriptors; None where the registry has no such list.

        https://github.com/opencontainers/distribution-spec/blob/main/spec.md#listing-referrers
        """
        answer = self._request("GET", f"{repository}/referrers/{digest}", missing=True)
        if answer is None or answer.headers.get("Content-Type", "").partition(";")[0] != OCI_INDEX:
            return None
        with self._understanding(repository, digest):
            return [dict(entry) for entry in answer.json()["manifests"]]

    def image(self, repository: str, reference: str) -> RegistryImage | None:
        """The image under a tag or digest; None when there is none, or an index.

        :raises RegistryError: the manifest names a config that isn't there.
        """
        manifest = self.manifest(repository, reference)
        if manifest is None or manifest.media_type not in (OCI_MANIFEST, DOCKER_MANIFEST):
            return None
        with self._understanding(repository, reference):
            document = manifest.document
            config = json.loads(self.blob(repository, _text(document["config"]["digest"])))
            layers = document["layers"]
            return RegistryImage(
                digest=manifest.digest,
                media_type=manifest.media_type,
                manifest_size=len(manifest.content),
                os=config.get("os", ""),
                architecture=config.get("architecture", ""),
                variant=config.get("variant") or None,
                key=((config.get("config") or {}).get("Labels") or {}).get(LABEL),
                size=sum(part["size"] for part in (document["config"], *layers)),
                layers=tuple(_text(layer["digest"]) for layer in layers),
                diff_ids=tuple(map(_text, (config.get("rootfs") or {}).get("diff_ids") or ())),
                history=tuple(
                    _text(step.get("created") or "") for step in config.get("history") or ()
                ),
            )

    def index(self, repository: str, reference: str) -> ImageIndex | None:
        """The index under a tag or digest; None when there is none, or an image."""
        manifest = self.manifest(repository, reference)
        if manifest is None or manifest.media_type not in (OCI_INDEX, DOCKER_LIST):
            return None
        with self._understanding(repository, reference):
            return ImageIndex(
                digest=manifest.digest,
                media_type=manifest.media_type,
                entries=tuple(
                    IndexEntry(
                        digest=_text(entry["digest"]),
                        media_type=_text(entry["mediaType"]),
                        size=entry["size"],
                        os=(entry.get("platform") or {}).get("os", ""),
                        architecture=(entry.get("platform") or {}).get("architecture", ""),
                        variant=(entry.get("platform") or {}).get("variant"),
                    )
                    for entry in manifest.document["manifests"]
                ),
            )

    def architectures(self, repository: str, tag: str) -> frozenset[str] | None:
        """The OCI names of what a tag is for (``{"amd64", "arm64"}``); None: no such tag.

        The tag may be an index's or a single image's.
        """
        index = self.index(repository, tag)
        if index is not None:
            return frozenset(entry.architecture for entry in index.entries)
        image = self.image(repository, tag)
        return frozenset({image.architecture}) if image is not None else None

    @contextlib.contextmanager
    def _understanding(self, repository: str, reference: str) -> Iterator[None]:
        """Take apart what the registry answered.

        :raises RegistryError: it isn't of the shape that it says it is.
        """
        try:
            yield
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise RegistryError(
                f"{repository}:{reference} in the registry {self.address} "
                "is neither an image nor an index",
                hint="the registry's storage or a proxy in front of it is damaged, "
                "or another program pushed it",
            ) from error

    def _request(
        self,
        method: str,
        path: str,
        *,
        headers: dict[str, str] | None = None,
        data: bytes | None = None,
        missing: bool = False,
        scope: str | None = None,
    ) -> requests.Response | None:
        """Ask the registry, with authorization for *scope* if it wants that.

        :param path: below ``/v2/``, or a whole URL that the registry gave.
        :param scope: default: reading the repository that the path names.
        """
        if scope is None:
            repository = _REPOSITORY.match(path)
            scope = f"repository:{repository[1]}:pull" if repository else ""
        url = urljoin(self.url, path)
        # an upload may be sent elsewhere, but not the password
        own = urlsplit(url)[:2] == urlsplit(self.url)[:2]
        try:
            for attempt in ("first", "with new authorization"):
                answer = self.session.request(
                    method,
                    url,
                    headers={**(headers or {}), **(self.auth.header(scope) if own else {})},
                    data=data,
                    timeout=TIMEOUT,
                )
                if answer.status_code != 401 or attempt != "first":
                    break
                if not self.auth.learn(answer.headers.get("WWW-Authenticate", ""), scope):
                    break
        except requests.RequestException as error:
            raise RegistryError(
                f"the registry {self.address} can't be reached: {explain(error)}",
                hint=trust.hint(
                    error,
                    "is it running, and is registry.address right? A private CA is named with "
                    "ca_bundle, plain HTTP allowed with registry.insecure",
                ),
            ) from error
        if answer.status_code == 404 and missing:
            return None
        if not answer.ok:
            raise self._refusal(method, path, answer)
        return answer

    def _refusal(self, method: str, path: str, answer: requests.Response) -> RegistryError:
        try:
            words = "; ".join(
                f"{error.get('code')}: {error.get('message')}" for error in answer.json()["errors"]
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            words = answer.reason or ""
        hint = None
        if answer.status_code in (401, 403):
            hint = f"log in with: docker login {self.address}"
        return RegistryError(
            f"the registry {self.address} refuses {method} {path}: {answer.status_code} {words}",
            hint=hint,
        )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} where a text should be")
    return value


def _pushing(repository: str) -> str:
    """The scope of a token that lets a repository be written."""
    return f"repository:{repository}:pull,push"


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
