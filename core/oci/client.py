"""Registry clients for a configuration."""

from __future__ import annotations

from core import trust
from core.config.model import Config
from core.oci.registry import RegistryClient


def client_for(config: Config, address: str | None = None) -> RegistryClient:
    """The client of the configuration's registry, or of another one at *address*.

    :raises ConfigError: the configured ``ca_bundle`` can't be used.
    """
    settings = config.registry
    address = address or settings.address
    return RegistryClient(
        address,
        insecure=settings.insecure and address == settings.address,
        ca_bundle=trust.bundle(config.ca_bundle),
    )
