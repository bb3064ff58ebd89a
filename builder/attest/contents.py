"""What is installed in an image, read from its own package databases; nothing in it is run."""

from __future__ import annotations

import re

from builder.builder import Builder
from kollarm.attest.spdx import Package, debian_packages, python_package

#: /etc/os-release is a link to it.
OS_RELEASE = "usr/lib/os-release"
DPKG = "var/lib/dpkg/status"
#: Where Kolla installs OpenStack's own packages.
PYTHON = "var/lib/kolla/venv/lib"


def _wanted(path: str) -> bool:
    return path in (OS_RELEASE, DPKG) or path.endswith(".dist-info/METADATA")


def read(engine: Builder, image: str) -> tuple[str, list[Package]] | None:
    """os-release's ID and the installed packages of an image.

    :returns: None for one without dpkg, whose packages aren't known how to read.
    """
    found = engine.extract(image, (OS_RELEASE, DPKG, PYTHON), _wanted)
    status = found.get(DPKG)
    if status is None:
        return None
    release = found.get(OS_RELEASE, b"").decode("utf-8", "replace")
    name = re.search(r'^ID="?([\w.-]+)', release, re.MULTILINE)
    packages = debian_packages(status.decode("utf-8", "replace"))
    for path, content in found.items():
        if path.endswith("/METADATA"):
            package = python_package(content.decode("utf-8", "replace"))
            packages += [package] if package else []
    return name[1] if name else "", packages
