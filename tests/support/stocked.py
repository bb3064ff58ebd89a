"""A registry that holds everything a plan wants, without anything being built.

Each image is one small layer under the right name, architecture and key: what the
registry tells about it is the same as for a real one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime

from core.config.model import Architecture
from core.oci.model import LABEL
from core.oci.registry import OCI_MANIFEST, RegistryClient, digest_of

CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"


def put(
    client: RegistryClient,
    repository: str,
    tag: str,
    architecture: Architecture,
    key: str,
    content: bytes = b"",
) -> None:
    """Put an image with a key into a repository.

    :param content: of its layer, in addition to what tells it from others.
    """
    layer = f"{repository} {architecture} {key}".encode() + content
    config = json.dumps(
        {
            "os": "linux",
            "architecture": architecture.oci,
            "config": {"Labels": {LABEL: key}},
            "rootfs": {"type": "layers", "diff_ids": [digest_of(layer)]},
            "history": [{"created": datetime.now(UTC).isoformat()}],
        }
    ).encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": CONFIG, "size": len(config), "digest": digest_of(config)},
        "layers": [{"mediaType": LAYER, "size": len(layer), "digest": digest_of(layer)}],
    }
    for blob in (layer, config):
        client.put_blob(repository, blob)
    client.put_manifest(repository, tag, json.dumps(manifest).encode(), OCI_MANIFEST)


def stock(client: RegistryClient, images: Iterable[tuple[str, str, Architecture, str]]) -> None:
    """Put images, each as (repository, tag, architecture, key)."""
    for repository, tag, architecture, key in images:
        put(client, repository, tag, architecture, key)
