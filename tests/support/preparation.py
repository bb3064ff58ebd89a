"""The record of a guest image's preparation, and what dpkg says is installed in it."""

from __future__ import annotations

from pathlib import Path

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


def record(tmp_path: Path) -> PreparationRecord:
    package = {"name": "linux-modules-extra", "version": "4.15", "sha256": "cd" * 32}
    return PreparationRecord(
        name="ubuntu-18.04-arm64",
        source=str(tmp_path / "source.img"),
        output=str(tmp_path / "made.qcow2"),
        sha256="ab" * 32,
        size=1,
        distribution="ubuntu",
        release="18.04",
        inputs={"source": "ef" * 32, "wishes": {}, "archives": [], "recipe": 1},
        plan={"steps": [{"title": "install", "packages": [package]}, {"title": "clean"}]},
        outcome={},
        checks=[],
        seconds={},
        architecture="aarch64",
        uefi="",
        admin_user="",
    )
