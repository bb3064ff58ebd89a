"""apt archives read on the host: signature, indices and packages, every hash checked."""

from guestprep.archive.client import ArchiveClient, Package
from guestprep.archive.deb import Deb, open_deb
from guestprep.archive.resolve import Resolution, resolve

__all__ = ["ArchiveClient", "Deb", "Package", "Resolution", "open_deb", "resolve"]
