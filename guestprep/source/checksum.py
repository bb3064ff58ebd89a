"""Digests of files, and the lists of them that publishers put beside images."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from core.errors import UnusableInput
from guestprep.source.local_file import open_regular

#: A line of sha256sum(1) or sha512sum(1): digest, a space, a space or ``*``, the name.
_LINE = re.compile(r"^\\?(?P<digest>[0-9a-fA-F]{64}(?:[0-9a-fA-F]{64})?) [ *](?P<name>.+)$")


def parse_sums(text: str) -> dict[str, str]:
    """Digest by file name from a list of SHA256 or SHA512 sums; other lines are left out.

    A name that is listed with two different digests is left out as well.
    """
    found: dict[str, set[str]] = {}
    for line in text.splitlines():
        if match := _LINE.match(line.rstrip("\r")):
            name = match["name"].removeprefix("./")
            found.setdefault(name, set()).add(match["digest"].lower())
    return {name: digests.pop() for name, digests in found.items() if len(digests) == 1}


def verify(path: Path, algorithm: str, expected: str | None) -> str:
    """A file's digest, after comparing it with the expected one where there is one.

    :raises UnusableInput: another digest, or unreadable.
    """
    with open_regular(path) as stream:
        actual = hashlib.file_digest(stream, algorithm).hexdigest()
    if expected is not None and actual != expected.lower():
        raise UnusableInput(
            f"{path} has a different {algorithm.upper()} than expected",
            hint="download it again; if the publisher has replaced the image, update the "
            "checksum in the configuration",
            details=f"expected {expected.lower()}\nfound    {actual}",
        )
    return actual
