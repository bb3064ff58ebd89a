"""A key manager for Glance and Nova that has certificates only: files in a folder.

Castellan's interface (https://docs.openstack.org/castellan/latest/), as far as cursive uses it to
verify an image's signature. This runs in Glance's and Nova's virtual environments and imports
nothing of kollarm.
"""

import os
import uuid
from pathlib import Path

from castellan.common.exception import ManagedObjectNotFoundError  # type: ignore[import-not-found]
from castellan.common.objects.x_509 import X509  # type: ignore[import-not-found]
from castellan.key_manager.not_implemented_key_manager import (  # type: ignore[import-not-found]
    NotImplementedKeyManager,
)


class CertificateFolder(NotImplementedKeyManager):  # type: ignore[misc]
    """Certificates in DER, each in a file with the name of its id: ``ID.der``."""

    def __init__(self, configuration):  # type: ignore[no-untyped-def]
        super().__init__(configuration)
        self._folder = Path(os.environ.get("KOLLARM_CERTIFICATES", "certificates"))

    def get(self, context, managed_object_id, metadata_only=False):  # type: ignore[no-untyped-def]
        """The certificate with this id."""
        try:
            name = f"{uuid.UUID(managed_object_id)}.der"
            return X509((self._folder / name).read_bytes())
        except (OSError, ValueError) as error:
            raise ManagedObjectNotFoundError(uuid=managed_object_id) from error
