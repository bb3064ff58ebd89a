"""apt archives read on the host: signature, indices and packages, every hash checked."""

from guestprep.archive.client import ArchiveClient
from guestprep.archive.deb import Deb, open_deb
from guestprep.archive.package import ArchivePackage
from guestprep.archive.resolve import Resolution, resolve

__all__ = ["ArchiveClient", "ArchivePackage", "Deb", "Resolution", "open_deb", "resolve"]
