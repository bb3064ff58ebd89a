"""The archives that Debian's and Ubuntu's arm64 images get their packages from."""

from __future__ import annotations

from pathlib import Path

from core.config.model import AptArchive
from guestprep.archive.keyrings import available
from guestprep.facts import GuestFacts

#: The keyring of each distribution's archives.
KEYRINGS = {
    "debian": Path("/usr/share/keyrings/debian-archive-keyring.gpg"),
    "ubuntu": Path("/usr/share/keyrings/ubuntu-archive-keyring.gpg"),
}


def archives(facts: GuestFacts) -> tuple[AptArchive, ...]:
    """The distribution's own archives for a guest; none where its release isn't named."""
    name, codename = facts.distribution, facts.codename
    if name not in KEYRINGS or not codename:
        return ()
    keyring = available(KEYRINGS[name])
    if name == "debian":
        places = [
            ("http://deb.debian.org/debian", codename),
            ("http://deb.debian.org/debian", f"{codename}-updates"),
            ("http://deb.debian.org/debian-security", f"{codename}-security"),
        ]
        components = ["main"]
    else:
        # arm64 isn't on archive.ubuntu.com: "ports" has all but the two first architectures.
        ports = "http://ports.ubuntu.com/ubuntu-ports"
        places = [(ports, codename + pocket) for pocket in ("-updates", "-security", "")]
        components = ["main", "universe"]
    return tuple(
        AptArchive(uri=uri, suite=suite, components=components, keyring=keyring)
        for uri, suite in places
    )
