"""What a registry holds: an image, an index and its entries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

#: The label, in the registry's image config, that holds the key.
LABEL = "io.kollarm.key"


@dataclass(frozen=True)
class RegistryImage:
    """An image in the registry, under a tag."""

    digest: str
    """Of its manifest."""
    media_type: str
    manifest_size: int
    os: str
    architecture: str
    variant: str | None
    key: str | None
    """Its ``io.kollarm.key`` label."""
    size: int
    """Bytes of its compressed layers and its config."""
    layers: tuple[str, ...]
    """The digests of its layers, in order."""
    diff_ids: tuple[str, ...] = ()
    """The digests of its layers when unpacked, the same on every engine."""
    history: tuple[str, ...] = ()
    """When each of its steps was carried out (RFC 3339), its ancestors' first."""


@dataclass(frozen=True)
class IndexEntry:
    """One image in an index, as the OCI image index specification has it."""

    digest: str
    media_type: str
    size: int
    os: str
    architecture: str
    variant: str | None = None
    descriptor: Mapping[str, Any] = field(default_factory=dict, compare=False)
    """The whole entry as the registry has it, with what other tools wrote into it."""

    @property
    def is_image(self) -> bool:
        """Whether it is something to run: what tools attach to images has no platform."""
        return (self.os, self.architecture) not in (("unknown", "unknown"), ("", ""))

    @property
    def attached_to(self) -> str | None:
        """The digest of the image that it belongs to, as BuildKit notes it.

        https://github.com/moby/buildkit/blob/master/docs/attestations/attestation-storage.md
        """
        found = (self.descriptor.get("annotations") or {}).get("vnd.docker.reference.digest")
        return found if isinstance(found, str) else None


@dataclass(frozen=True)
class ImageIndex:
    """An image index (or Docker manifest list) in the registry, under a tag."""

    digest: str
    media_type: str
    entries: tuple[IndexEntry, ...]
    annotations: Mapping[str, Any] = field(default_factory=dict)
    """Of the index as a whole."""
