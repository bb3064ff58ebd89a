"""The packages installed in an image, read from its own package databases.

dpkg's and Python's are text files.  rpm's has had three formats, which the image's
own rpm reads: it runs there, without a network.
"""

from __future__ import annotations

import re

from builder.engines.protocol import ImageBuilder
from core.attestation.spdx import (
    RPM_QUERY,
    BomPackage,
    OperatingSystem,
    debian_packages,
    python_package,
    rpm_packages,
)

#: /etc/os-release is a link to it.
OS_RELEASE = "usr/lib/os-release"
DPKG = "var/lib/dpkg/status"
#: A file of rpm's own package: rpm is only run where it exists.
RPM = "usr/lib/rpm/macros"
#: Where Kolla installs OpenStack's own packages.
PYTHON = "var/lib/kolla/venv/lib"


def _wanted(path: str) -> bool:
    return path in (OS_RELEASE, DPKG, RPM) or path.endswith(".dist-info/METADATA")


def read(engine: ImageBuilder, image: str) -> tuple[OperatingSystem, list[BomPackage]] | None:
    """The distribution in an image, and its installed packages.

    :returns: None for one with neither dpkg nor rpm.
    """
    files = engine.read_files(image, (OS_RELEASE, DPKG, RPM, PYTHON), _wanted)
    status = files.get(DPKG)
    if status is not None:
        packages = debian_packages(status.decode("utf-8", "replace"))
    elif RPM in files:
        output = engine.run_program(image, ["rpm", "-qa", "--queryformat", RPM_QUERY])
        if output is None:
            return None
        packages = rpm_packages(output.decode("utf-8", "replace"))
    else:
        return None
    release = files.get(OS_RELEASE, b"").decode("utf-8", "replace")
    names = dict(re.findall(r"""^(ID|VERSION_ID)=["']?([\w.-]+)""", release, re.MULTILINE))
    for path, content in files.items():
        if path.endswith("/METADATA"):
            package = python_package(content.decode("utf-8", "replace"))
            packages += [package] if package else []
    return OperatingSystem(names.get("ID", ""), names.get("VERSION_ID", "")), packages
