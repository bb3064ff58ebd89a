"""The archives that Debian's and Ubuntu's images get their packages from."""

from __future__ import annotations

from pathlib import Path

from core.config.base import Architecture
from core.config.model import AptArchive
from guestprep.archive.keyrings import available
from guestprep.facts import GuestFacts

_PORTS = "http://ports.ubuntu.com/ubuntu-ports"

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
        first = facts.architecture == Architecture.X86_64
        server = "http://archive.ubuntu.com/ubuntu" if first else _PORTS
        places = [(server, codename + pocket) for pocket in ("-updates", "-security", "")]
        components = ["main", "universe"]
    return tuple(
        AptArchive(uri=uri, suite=suite, components=components, keyring=keyring)
        for uri, suite in places
    )
