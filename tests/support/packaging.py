"""The project's source as somebody gets it, and environments without the checkout."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import yaml

from core.cache import file_digest
from core.paths import project_dir
from tests.support import guest_disks


def source(target: Path) -> Path:
    """A clone of the checkout, without what lies about in it."""
    subprocess.run(["git", "clone", "-q", project_dir(), target], check=True)
    return target


def apart(**more: str) -> dict[str, str]:
    """This process's environment, without the checkout."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | more


def guest_project(folder: Path) -> Path:
    """A project with a guest to prepare; where the prepared image will be."""
    disk = guest_disks.make(folder / "source.qcow2", folder / "work")
    packages = guest_disks.archive(folder / "archive")
    archive = {
        "uri": f"file:{packages.folder}",
        "suite": packages.suite,
        "keyring": str(packages.keyring),
    }
    guest = {
        "name": "g",
        "source": {"path": str(disk), "sha256": file_digest(disk)},
        "archives": [archive],
    }
    (folder / "kollarm.yml").write_text(yaml.safe_dump({"guests": [guest]}), "utf-8")
    return folder / ".kollarm/guests/g.qcow2"
