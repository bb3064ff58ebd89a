"""What a registry holds: an image, an index and its entries."""

from __future__ import annotations

from dataclasses import dataclass

#: The label, in the registry's image config, that holds the key.
LABEL = "io.kollarm.key"


@dataclass(frozen=True)
class RegistryImage:
    """An image in the registry, under a tag.

    :ivar digest: of its manifest.
    :ivar key: its ``io.kollarm.key`` label.
    :ivar size: bytes of its compressed layers and its config.
    :ivar layers: the digests of its layers, in order.
    :ivar diff_ids: the digests of its layers when unpacked, the same on every engine.
    :ivar history: when each of its steps was carried out (RFC 3339), its ancestors' first.
    """

    digest: str
    media_type: str
    manifest_size: int
    os: str
    architecture: str
    variant: str | None
    key: str | None
    size: int
    layers: tuple[str, ...]
    diff_ids: tuple[str, ...] = ()
    history: tuple[str, ...] = ()


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
