"""Manifests and indices as a registry keeps them, and the digests that name them."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from core.errors import KollarmError
from core.json_object import json_object

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"

#: https://github.com/opencontainers/image-spec/blob/main/descriptor.md#digests
_DIGEST = re.compile(r"[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[A-Za-z0-9=_-]+")


class RegistryError(KollarmError):
    """The registry can't be reached, refuses what is asked, or answers something wrong."""


@dataclass(frozen=True)
class Manifest:
    """A manifest or index as the registry keeps it."""

    content: bytes
    media_type: str
    digest: str

    @cached_property
    def document(self) -> dict[str, Any]:
        """:raises RegistryError: the content is not a JSON object."""
        try:
            return json_object(self.content, f"the manifest {self.digest}")
        except KollarmError as error:
            raise RegistryError(error.message) from error

    def descriptors(self, key: str) -> list[dict[str, Any]]:
        """The descriptors that it lists as ``layers`` or ``manifests``; none without such a list.

        :raises RegistryError: it isn't a list of descriptors.
        """
        return descriptors(self.document.get(key) or [], f"the manifest {self.digest}")

    @property
    def is_index(self) -> bool:
        return self.media_type in (OCI_INDEX, DOCKER_LIST)

    @property
    def subject(self) -> str | None:
        """The digest of the manifest that it refers to."""
        subject = self.document.get("subject")
        return subject.get("digest") if isinstance(subject, dict) else None


def descriptors(value: object, of: str) -> list[dict[str, Any]]:
    """A list of descriptors from outside, each an object with a digest.

    :param of: what has the list, for the error message.
    :raises RegistryError: it is anything else.
    """
    found: list[dict[str, Any]] = []
    for one in value if isinstance(value, list) else [value]:
        if not isinstance(one, dict) or not is_digest(one.get("digest")):
            raise RegistryError(f"{of} is damaged: it has no list of descriptors where one belongs")
        found.append(one)
    return found


def is_digest(reference: object) -> bool:
    """Whether something names its content by digest (``sha256:…``)."""
    return isinstance(reference, str) and _DIGEST.fullmatch(reference) is not None


def digest_of(content: bytes) -> str:
    """A content's digest as registries write it."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def require_digest(content: bytes, digest: str, of: str) -> None:
    """Compare what came with the digest by which it was asked for.

    :param of: what the content is, for the error message.
    :raises RegistryError: it is something else, or the digest is of an unknown sort.
    """
    algorithm, _, value = digest.partition(":")
    if algorithm not in ("sha256", "sha384", "sha512"):
        raise RegistryError(f"{of} has a digest of an unknown sort: {digest!r}")
    if hashlib.new(algorithm, content).hexdigest() != value:
        raise RegistryError(
            f"{of} isn't what its digest {digest} says",
            hint="the registry's storage or a proxy in front of it is damaged",
        )
