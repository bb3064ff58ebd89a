"""The keyrings that sign guest images and their archives.

They are the distributions' own packages. Debian 12 has none with Ubuntu's keys; there the package
of a later Debian is fetched, which the host's keyring of Debian has signed.
"""

from __future__ import annotations

from pathlib import Path

from core import cache, progress
from core.config.model import AptArchive
from core.files import write
from guestprep.archive.client import ArchiveClient
from guestprep.archive.deb import open_deb
from guestprep.archive.fetch import ArchiveError
from guestprep.parse.cpio import clean_name

#: Where the distributions' packages put their keyrings.
FOLDER = Path("/usr/share/keyrings")

#: The keyring of this machine that vouches for the others.
DEBIAN = FOLDER / "debian-archive-keyring.gpg"

#: Keyrings that can be fetched: the Debian package of each.
PACKAGES = {
    FOLDER / "ubuntu-archive-keyring.gpg": "ubuntu-keyring",
    FOLDER / "ubuntu-cloudimage-keyring.gpg": "ubuntu-keyring",
}

#: The first Debian that has them.
ORIGIN = AptArchive(uri="http://deb.debian.org/debian", suite="trixie", keyring=DEBIAN)


def can_be_fetched(keyring: Path, origin: AptArchive = ORIGIN) -> bool:
    """Whether a keyring that isn't installed can be had from Debian's archive."""
    return keyring in PACKAGES and origin.keyring.is_file()


def available(keyring: Path, origin: AptArchive = ORIGIN) -> Path:
    """A keyring's path; in the cache, if it isn't installed but can be fetched.

    A path that can't be had comes back as it is: whoever reads it says what to do.

    :raises ArchiveError: it can't be fetched, or Debian's keyring hasn't signed it.
    """
    if keyring.is_file() or not can_be_fetched(keyring, origin):
        return keyring
    package = PACKAGES[keyring]

    def fetch(folder: Path) -> None:
        with progress.current().step(f"fetch {package} from {origin.uri}"):
            client = ArchiveClient([origin], "arm64")
            for found in client.candidates(package)[:1]:
                with open_deb(client.fetch(found)).data() as files:
                    for entry in files:
                        name = Path("/", clean_name(entry.name, of=package))
                        stream = files.extractfile(entry) if entry.isfile() else None
                        if name in PACKAGES and stream is not None:
                            write(folder / name.name, stream.read())

    key = cache.digest({"package": package, "origin": [origin.uri, origin.suite]})
    found = cache.entry("keyrings", key, fetch) / keyring.name
    if not found.is_file():
        raise ArchiveError(f"{package} of {origin.uri} {origin.suite} has no {keyring.name}")
    return found
