"""The preflight's view of a registry, through the builder's client."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from core.config.model import Config
from core.oci.auth import stored_credentials
from core.oci.registry import RegistryClient
from deploy.preflight import RegistryReader


class Architectures:
    """Which architectures a tag is for, whether it is an index or a single image."""

    def __init__(self, client: RegistryClient):
        self._client = client

    def architectures(self, repository: str, tag: str) -> frozenset[str] | None:
        """As :meth:`deploy.preflight.RegistryReader.architectures`."""
        index = self._client.index(repository, tag)
        if index is not None:
            return frozenset(entry.architecture for entry in index.entries)
        image = self._client.image(repository, tag)
        return frozenset({image.architecture}) if image is not None else None


def reader(config: Config) -> Callable[[str], RegistryReader]:
    """Gives the reader of a registry by its ``host:port``, as the configuration says."""
    bundle: Path | None = config.ca_bundle

    def of(address: str) -> RegistryReader:
        insecure = config.registry.insecure and address == config.registry.address
        return Architectures(
            RegistryClient(
                address,
                insecure=insecure,
                ca_bundle=bundle,
                credentials=stored_credentials(address),
            )
        )

    return of
