"""A client of the OCI distribution API, for what kollarm asks of a registry.

Source of the protocol: https://github.com/opencontainers/distribution-spec and,
for tokens, https://distribution.github.io/distribution/spec/auth/token/.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from core.json_object import json_object
from core.oci.auth import Credentials, absolute
from core.oci.manifest import DOCKER_LIST as DOCKER_LIST
from core.oci.manifest import DOCKER_MANIFEST as DOCKER_MANIFEST
from core.oci.manifest import OCI_INDEX as OCI_INDEX
from core.oci.manifest import OCI_MANIFEST as OCI_MANIFEST
from core.oci.manifest import Manifest as Manifest
from core.oci.manifest import RegistryError as RegistryError
from core.oci.manifest import digest_of as digest_of
from core.oci.manifest import is_digest, require_digest
from core.oci.model import LABEL, ImageIndex, IndexEntry, RegistryImage
from core.oci.transport import TEMPORARY, RegistryAnswer, RegistryTransport
from core.oci.transport import explain as explain
from core.oci.transport import is_loopback as is_loopback

#: Without an explicit Accept a registry answers with the long obsolete schema 1.
ACCEPT = ", ".join((OCI_INDEX, DOCKER_LIST, OCI_MANIFEST, DOCKER_MANIFEST))

#: The repository in a path below ``/v2/``.
_REPOSITORY = re.compile(r"(.+)/(?:manifests|blobs|referrers)/")

#: More tags than any repository of ours has.
MOST_TAGS = 100_000

#: https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")


#: Requests at a time that a caller makes of one registry: a far one answers late, not slowly.
CONCURRENCY = 16


class RegistryClient:
    """One registry.  Safe to use from several threads at once.

    :param address: ``host`` or ``host:port``.
    :param insecure: speak plain HTTP, and send credentials over it; on loopback plain HTTP is
        always spoken, as with Docker.
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
        self._ca_bundle = ca_bundle
        self.transport = RegistryTransport(
            address, insecure=insecure, ca_bundle=ca_bundle, credentials=credentials
        )

    def at(self, address: str) -> RegistryClient:
        """The client of another registry, which is spoken to with TLS."""
        if address == self.address:
            return self
        return RegistryClient(address, ca_bundle=self._ca_bundle)

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
        digest = reference if is_digest(reference) else digest_of(answer.content)
        claimed = answer.headers.get("Docker-Content-Digest", "")
        # a header of another sort of digest than kollarm's says nothing about a tag's content
        name = f"what the registry {self.address} answered for {repository}:{reference}"
        for expected in {digest, claimed if claimed.startswith("sha256:") else digest}:
            require_digest(answer.content, expected, name)
        media_type = answer.headers.get("Content-Type", "").partition(";")[0].strip()
        return Manifest(answer.content, media_type, digest)

    def blob(self, repository: str, digest: str) -> bytes:
        """A blob's content, checked against its digest.

        :raises RegistryError: it is missing or damaged.
        """
        if not is_digest(digest):
            raise RegistryError(f"a manifest of {repository} names a blob by {digest!r}")
        answer = self._request("GET", f"{repository}/blobs/{digest}")
        assert answer is not None
        require_digest(answer.content, digest, f"a blob of {repository} in {self.address}")
        return answer.content

    def tags(self, repository: str) -> list[str]:
        """The tags of a repository; none where it doesn't exist.

        https://github.com/opencontainers/distribution-spec/blob/main/spec.md#listing-tags
        """
        found: set[str] = set()
        page = f"{repository}/tags/list"
        while page:
            answer = self._request("GET", page, missing=True, scope=_reading(repository))
            if answer is None:
                break
            listed = json_object(answer.content, f"the list of tags of {repository}").get("tags")
            some = [
                tag
                for tag in (listed if isinstance(listed, list) else ())
                if isinstance(tag, str) and _TAG.fullmatch(tag)
            ]
            if found.issuperset(some):  # the last page, or a circle of them
                break
            found.update(some)
            if len(found) > MOST_TAGS:
                raise RegistryError(
                    f"{repository} in the registry {self.address} has more than {MOST_TAGS} tags"
                )
            following = re.match(r'<([^>]+)>;.*rel="?next', answer.headers.get("Link", ""))
            page = absolute(answer.url, following[1]) if following else ""
        return sorted(found)

    def delete_manifest(self, repository: str, digest: str) -> None:
        """Delete a manifest or index, with every tag that it has; one that is gone is fine.

        :raises RegistryError: the registry refuses it.
        """
        path = f"{repository}/manifests/{digest}"
        scope = f"repository:{repository}:pull,push,delete"
        answer = self.transport.request("DELETE", path, scope)
        if answer.status_code == 405:
            raise RegistryError(
                f"the registry {self.address} deletes nothing",
                hint="allow it in the registry's configuration (docker-registry: "
                "storage.delete.enabled: true), or let the registry's own retention delete",
            )
        if answer.status_code != 404 and not 200 <= answer.status_code < 300:
            raise self.transport.refusal("DELETE", path, answer)

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
        return absolute(answer.url, answer.headers.get("Location", ""))

    def referrers(self, repository: str, digest: str) -> list[dict[str, Any]] | None:
        """What refers to a manifest, as descriptors; None where the registry has no such list.

        https://github.com/opencontainers/distribution-spec/blob/main/spec.md#listing-referrers
        """
        path = f"{repository}/referrers/{digest}"
        answer = self.transport.request("GET", path, _reading(repository), within=True)
        if answer.status_code == 401 or answer.status_code in TEMPORARY:
            raise self.transport.refusal("GET", path, answer)
        # whatever else a registry says of an endpoint that it doesn't know: 404, 406, a redirect …
        kind = answer.headers.get("Content-Type", "").partition(";")[0]
        if answer.status_code != 200 or kind != OCI_INDEX:
            return None
        return Manifest(answer.content, OCI_INDEX, digest).descriptors("manifests")

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
                os=_text(config.get("os", "")),
                architecture=_text(config.get("architecture", "")),
                variant=_text(config.get("variant") or "") or None,
                key=_text(_labels(config).get(LABEL) or "") or None,
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
        if manifest is None or not manifest.is_index:
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
                        os=_text((entry.get("platform") or {}).get("os", "")),
                        architecture=_text((entry.get("platform") or {}).get("architecture", "")),
                        variant=(entry.get("platform") or {}).get("variant"),
                        descriptor=entry,
                    )
                    for entry in manifest.descriptors("manifests")
                ),
                annotations=dict(manifest.document.get("annotations") or {}),
            )

    def architectures(self, repository: str, tag: str) -> frozenset[str] | None:
        """The OCI names of what a tag is for (``{"amd64", "arm64"}``); None: no such tag.

        The tag may be an index's or a single image's.
        """
        index = self.index(repository, tag)
        if index is not None:
            return frozenset(entry.architecture for entry in index.entries if entry.is_image)
        image = self.image(repository, tag)
        return frozenset({image.architecture}) if image is not None else None

    @contextlib.contextmanager
    def _understanding(self, repository: str, reference: str) -> Iterator[None]:
        """Take apart what the registry answered.

        :raises RegistryError: it isn't of the shape that it says it is.
        """
        try:
            yield
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
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
    ) -> RegistryAnswer | None:
        """Ask the registry, with authorization for *scope* if it wants that.

        :param path: below ``/v2/``, or a whole URL that the registry gave.
        :param scope: default: reading the repository that the path names.
        """
        if scope is None:
            repository = _REPOSITORY.match(path)
            scope = _reading(repository[1]) if repository else ""
        answer = self.transport.request(method, path, scope, headers=headers, data=data)
        if answer.status_code == 404 and missing:
            return None
        if not 200 <= answer.status_code < 300:
            raise self.transport.refusal(method, path, answer)
        return answer


def _labels(config: Any) -> Any:
    return (config.get("config") or {}).get("Labels") or {}


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} where a text should be")
    return value


def _reading(repository: str) -> str:
    """The scope of a token that lets a repository be read."""
    return f"repository:{repository}:pull"


def _pushing(repository: str) -> str:
    """The scope of a token that lets a repository be written."""
    return f"repository:{repository}:pull,push"
