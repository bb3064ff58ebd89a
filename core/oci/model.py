"""What a registry holds: an image, an index and its entries."""

from __future__ import annotations

from dataclasses import dataclass

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


@dataclass(frozen=True)
class ImageIndex:
    """An image index (or Docker manifest list) in the registry, under a tag."""

    digest: str
    media_type: str
    entries: tuple[IndexEntry, ...]
