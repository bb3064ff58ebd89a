"""A plan and the record of a preparation, and what dpkg says is installed in its result."""

from __future__ import annotations

from pathlib import Path

from guestprep.archive.package import ArchivePackage
from guestprep.plan.model import FileStep, InstallStep, PreparationPlan, PreparationStep
from guestprep.record import PreparationRecord

STATUS = """\
Package: libc6
Status: hold ok installed
Architecture: arm64
Source: glibc (2.27-3)
Version: 1:2.27-3ubuntu1
Description: GNU C Library
 of several lines

Package: half
Status: install ok half-configured
Version: 1
"""


def package(name: str, version: str) -> ArchivePackage:
    """A package of an archive that needs no others."""
    return ArchivePackage(
        name=name,
        version=version,
        architecture="arm64",
        filename=f"pool/{name}.deb",
        sha256="cd" * 32,
        size=1,
        archive="file:///archive",
    )


def install(name: str, version: str) -> InstallStep:
    """A step that installs one package."""
    return InstallStep("it is missing", (package(name, version),), (name,), kernel="")


def plan(*steps: PreparationStep, warnings: tuple[str, ...] = ()) -> PreparationPlan:
    """A plan of these steps."""
    return PreparationPlan("an image", steps, satisfied=(), warnings=warnings)


def record(tmp_path: Path) -> PreparationRecord:
    """The record of an image that got a package and a file."""
    return PreparationRecord(
        name="ubuntu-18.04-arm64",
        source=str(tmp_path / "source.img"),
        output=str(tmp_path / "made.qcow2"),
        sha256="ab" * 32,
        size=1,
        distribution="ubuntu",
        release="18.04",
        inputs={"source": "ef" * 32, "wishes": {}, "archives": [], "recipe": 1},
        plan=plan(install("linux-modules-extra", "4.15"), FileStep("it is missing", "/etc/x", "")),
        outcome={},
        checks=(),
        seconds={},
        architecture="aarch64",
        uefi="",
        admin_user="",
    )
